import type { Outcome } from '../../src/domain/jobs/outcome.js';
import { listProcesses, variableOf } from '../../src/drivers/processes/processes.js';
import { alive } from './programs.js';
import type { Login, TestServer } from './server.js';
import { waitFor } from './wait-for.js';

/** What tests read of a job. */
export interface ShownJob {
  uuid: string;
  state: string;
  owner: string;
  process_definition: string | null;
  attempt: number;
  waiting: string | null;
  outcome: Outcome | null;
  request: { message?: string };
  output_size: number | null;
  started: string | null;
  ended: string | null;
}
interface ShownEvent {
  name: string;
  state: string;
  date: string;
  data: Record<string, unknown> | null;
}

/** Submits a run and gives the job's UUID. */
export async function submit(
  server: TestServer,
  definition: number,
  input?: string | Uint8Array<ArrayBuffer>,
  as?: Login,
): Promise<string> {
  const answer = await server.fetch(`/api/process_definition/${definition}/run/`, {
    method: 'POST',
    ...(input === undefined ? {} : { body: input, headers: { 'Content-Type': 'application/octet-stream' } }),
    ...(as === undefined ? {} : { as }),
  });
  const text = await answer.text();
  if (answer.status !== 202) throw new Error(`${answer.status}: ${text}`);
  return (JSON.parse(text) as ShownJob).uuid;
}

/** A job as it is, or as it is when it has ended, if `wait` seconds are given. */
export async function jobOf(server: TestServer, uuid: string, wait?: number): Promise<ShownJob> {
  const answer = await server.fetch(`/api/job/${uuid}/${wait === undefined ? '' : `?wait=${wait}`}`);
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as ShownJob;
}

export async function filter(
  server: TestServer,
  query: string,
): Promise<{ total: number; objects: ShownJob[] }> {
  const answer = await server.fetch(`/api/job/?${query}`);
  if (answer.status !== 200) throw new Error(`${answer.status}: ${await answer.text()}`);
  const { meta, objects } = (await answer.json()) as {
    meta: { total_count: number };
    objects: ShownJob[];
  };
  return { total: meta.total_count, objects };
}

export async function historyOf(server: TestServer, uuid: string): Promise<ShownEvent[]> {
  const answer = await server.fetch(`/api/job/${uuid}/history/`);
  return ((await answer.json()) as { objects: ShownEvent[] }).objects;
}

/** The events by which a job ended: there must be exactly one. */
export async function endsOf(server: TestServer, uuid: string): Promise<string[]> {
  const names = (await historyOf(server, uuid)).map(({ name }) => name);
  return names.filter((name) => name === 'finish' || name === 'fail');
}

/** Returns when all of these jobs have ended. */
export async function everyEnd(
  server: TestServer,
  uuids: readonly string[],
  deadline?: number,
): Promise<void> {
  const open = new Set(uuids);
  await waitFor(
    async () => {
      for (const uuid of open) {
        if (!['FINISHED', 'FAILED'].includes((await jobOf(server, uuid)).state)) return false;
        open.delete(uuid);
      }
      return true;
    },
    `the end of ${uuids.length} jobs`,
    deadline,
    () => ({ open: [...open].slice(0, 10), and_more: Math.max(0, open.size - 10) }),
  );
}

/** Processes of these jobs that still live. */
export function leftOf(uuids: readonly string[]): number[] {
  const wanted = new Set(uuids);
  return listProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => wanted.has(variableOf(pid, 'PENSTOCK_JOB_UUID') ?? '') && alive(pid) !== undefined);
}
