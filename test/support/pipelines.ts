import { endsOf, type ShownJob } from './jobs.js';
import type { Login, TestServer } from './server.js';

/** What tests read of a pipeline's job. */
export interface ShownPipelineJob extends ShownJob {
  output_name: string | null;
  steps: ShownStep[];
}
export interface ShownStep {
  name: string;
  state: string | null;
  needs: string[];
  job: string | null;
  attempt: number;
  joined_to: string | null;
  outcome: ShownJob['outcome'];
  started: string | null;
  ended: string | null;
  items?: { total: number | null; waiting: number; running: number; finished: number; failed: number };
}

/** Registers a pipeline whose steps run `sh -c` scripts, or what else their definitions say, and gives its id. */
export async function pipelineOf(
  server: TestServer,
  steps: readonly Record<string, unknown>[],
  more: object = {},
  as?: Login,
): Promise<number> {
  const made = await Promise.all(
    steps.map(async ({ sh, definition, ...step }) => {
      const wanted = definition ?? { exec: '/bin/sh', argv: ['-c', sh] };
      return { process_definition: await server.register(wanted as object, as), ...step };
    }),
  );
  const answer = await server.fetch('/api/pipeline/', {
    json: { name: 'p', steps: made, ...more },
    headers: { Prefer: 'return=representation' },
    ...(as === undefined ? {} : { as }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`${answer.status}: ${text}`);
  return (JSON.parse(text) as { id: number }).id;
}

/** Runs a pipeline with an input. `query` such as `?wait=10`. */
export function runPipeline(
  server: TestServer,
  id: number,
  input?: string | Uint8Array<ArrayBuffer>,
  query = '',
): Promise<Response> {
  return server.fetch(`/api/pipeline/${id}/run/${query}`, {
    method: 'POST',
    ...(input === undefined ? {} : { body: input, headers: { 'Content-Type': 'application/octet-stream' } }),
  });
}

/** Runs it to its end, and gives the job. */
export async function ranPipeline(server: TestServer, id: number, input?: string): Promise<ShownPipelineJob> {
  const answer = await runPipeline(server, id, input, '?wait=60');
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status}: ${text}`);
  return JSON.parse(text) as ShownPipelineJob;
}

export async function pipelineJob(
  server: TestServer,
  uuid: string,
  wait?: number,
): Promise<ShownPipelineJob> {
  const answer = await server.fetch(`/api/job/${uuid}/${wait === undefined ? '' : `?wait=${wait}`}`);
  return (await answer.json()) as ShownPipelineJob;
}

export const outputOf = async (server: TestServer, uuid: string): Promise<string> =>
  (await server.fetch(`/api/job/${uuid}/output/`)).text();

/** The jobs of a pipeline's steps. */
export async function stepJobs(
  server: TestServer,
  uuid: string,
): Promise<(ShownJob & { step: string; item: number | null; parent: string; input_name: string | null })[]> {
  const answer = await server.fetch(`/api/job/?parent=${uuid}&limit=1000&order_by=created`);
  return ((await answer.json()) as { objects: never[] }).objects;
}

/** The events that ended jobs, by step and item. */
export async function endsOfSteps(server: TestServer, uuid: string): Promise<Map<string, string[]>> {
  const jobs = await stepJobs(server, uuid);
  const ends = await Promise.all(
    jobs.map(
      async (job): Promise<[string, string[]]> => [
        `${job.step}.${job.item ?? ''}`,
        await endsOf(server, job.uuid),
      ],
    ),
  );
  return new Map(ends);
}
