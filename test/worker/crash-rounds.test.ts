import { randomInt } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EventName, isUnfinished, nextState, type State } from '../../src/domain/jobs/job-state.js';
import { type CloudServer, startCloud } from '../support/cloud.js';
import { type crashWork as CrashWork, crashWork, kinds, type WorkJob } from '../support/crash-work.js';
import { dice } from '../support/dice.js';
import { historyOf, leftOf } from '../support/jobs.js';
import { outputOf } from '../support/pipelines.js';
import { alive, linesOf, program } from '../support/programs.js';
import { type Receiver, startReceiver } from '../support/receiver.js';
import { quick, serviceOf, untilService } from '../support/services.js';
import { waitFor } from '../support/wait-for.js';

/** The choices of a run can be had again; what the machine makes of them cannot. */
const seed = Number(process.env.PENSTOCK_CRASH_SEED ?? randomInt(2 ** 31));
const rounds = Number(process.env.PENSTOCK_CRASH_ROUNDS ?? (process.env.CI ? 50 : 15));
const { between, pick } = dice(seed);
const names = Object.keys(kinds);

let server: CloudServer;
let receiver: Receiver;
let work: Awaited<ReturnType<typeof CrashWork>>;
let service: { uuid: string; pids: string };
let jobs: WorkJob[];
let counts: Map<string, number>;

/** Every job that the server knows. */
async function allJobs(): Promise<WorkJob[]> {
  const all: WorkJob[] = [];
  for (let offset = 0; ; offset += 1000) {
    const answer = await server.fetch(`/api/job/?limit=1000&offset=${offset}&order_by=created`);
    const { objects } = (await answer.json()) as { objects: WorkJob[] };
    all.push(...objects);
    if (objects.length < 1000) return all;
  }
}

/** Sends work, of which a kill may cut off any part, and kills the server at some moment. */
async function round(): Promise<void> {
  const count = between(3, 9);
  let answered = 0;
  const done = () => {
    answered += 1;
  };
  const sent = Array.from({ length: count }, () => work.start(pick(names)).then(done, () => {}));
  const again = [...work.owed.values()].map((ask) => ask().catch(() => {}));
  // Slow machines answer late: some part is answered wherever this runs, and then anything may be under way.
  const enough = between(0, count + 1);
  await waitFor(() => answered >= enough, `${enough} answers`);
  await delay(between(0, 300));
  await server.kill();
  await Promise.all([...sent, ...again]);
  // A start can be killed, too.
  for (let kills = pick([0, 0, 0, 1, 2]); kills > 0; kills -= 1) {
    const starting = server.restart().catch(() => {});
    await delay(between(20, 700));
    await server.kill();
    await starting;
  }
  await server.restart();
}

beforeAll(async () => {
  console.log(`crash rounds: PENSTOCK_CRASH_SEED=${seed}`);
  receiver = await startReceiver();
  server = await startCloud({
    LOG_LEVEL: 'warn',
    MAX_RUNNING_JOBS: 6,
    MAX_ACTIVE_TASKS: 2,
    WEBHOOK_PRIVATE_ADDRESSES: true,
    WEBHOOK_MAX_PAUSE: 0.2,
  });
  const hook = await server.fetch('/api/subscription/', { json: { url: `${receiver.url}/hook` } });
  expect(hook.status).toBe(201);
  work = await crashWork(server);
  const pids = server.file('service');
  const definition = await server.register({
    exec: program('forever'),
    argv: [pids],
    process_type: 'service',
    service: quick,
  });
  const started = await server.fetch(`/api/process_definition/${definition}/run/`, { method: 'POST' });
  service = { uuid: ((await started.json()) as WorkJob).uuid, pids };
  await untilService(server, service.uuid, ({ ready }) => ready);

  for (let n = 0; n < rounds; n += 1) await round();

  for (const ask of work.owed.values()) await ask();
  // A kill may have cut off the answer to a job that nobody has cancelled since.
  for (const { uuid, state, ...job } of await allJobs()) {
    if (isUnfinished(state as State) && work.kindOf({ uuid, state, ...job }) === 'cancel')
      await work.cancel(uuid);
  }
  await waitFor(
    async () => {
      jobs = await allJobs();
      return jobs.every(({ uuid, state }) => uuid === service.uuid || /^(FINISHED|FAILED)$/.test(state));
    },
    'every job to end',
    120_000,
    () => jobs.filter(({ state }) => !/^(FINISHED|FAILED)$/.test(state)),
  );
  // The operation may have messages whose jobs are not made yet.
  await waitFor(
    async () => {
      jobs = await allJobs();
      return (
        jobs.filter((job) => work.kindOf(job) === 'message' && job.state === 'FINISHED').length >=
        work.words.size
      );
    },
    'every message to have its job',
    60_000,
    () => ({
      words: work.words.size,
      jobs: jobs.filter((job) => work.kindOf(job) === 'message').map(({ uuid, state }) => [uuid, state]),
    }),
  );
  jobs = (await allJobs()).filter(({ uuid }) => uuid !== service.uuid);
  counts = new Map(names.map((kind) => [kind, 0]));
  for (const job of jobs) {
    const kind = job.parent === null ? (work.kindOf(job) ?? '') : '';
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  console.log(`crash rounds: ${rounds} kills and more`, Object.fromEntries(counts));
});
afterAll(async () => {
  await server.remove();
  await receiver.down();
});

/** How a job ended, in the words of the table of kinds: which signal a cancel took does not matter. */
const causeOf = ({ outcome }: WorkJob): string => {
  const cause = outcome?.cause ?? 'none';
  return (
    { exit: `exit ${outcome?.exit_code}`, signal: `signal ${outcome?.signal}` }[cause as string] ?? cause
  );
};

/**
 * A job that was given to a shell of ours at the very moment of a kill, and of which no word came: whether its
 * program has run cannot be known, so it is told as lost, and never run again.
 */
const unknown = ({ uuid, outcome }: WorkJob, runs: ReadonlyMap<string, number>) =>
  outcome?.cause === 'lost' && !runs.has(uuid);

test('every kind of work was under way', () => {
  if (rounds < 50) return;
  for (const [kind, count] of counts) expect([kind, count]).toEqual([kind, Math.max(3, count)]);
});

test('what was answered is there, and each key and message has one job', async () => {
  const known = new Map(jobs.map((job) => [job.uuid, work.kindOf(job)]));
  for (const [uuid, kind] of work.accepted) expect([uuid, known.get(uuid)]).toEqual([uuid, kind]);
  const inputs = new Map<string, number>();
  for (const job of jobs.filter((one) => ['message', 'keyed'].includes(work.kindOf(one) ?? ''))) {
    const input = await (await server.fetch(`/api/job/${job.uuid}/input/`)).text();
    inputs.set(input, (inputs.get(input) ?? 0) + 1);
  }
  expect([...inputs].filter(([, count]) => count !== 1)).toEqual([]);
  for (const word of work.words) expect([word, inputs.get(word)]).toEqual([word, 1]);
});

test('each job has one end, by a legal history, for its own reason', async () => {
  const runs = work.runs();
  const lost = jobs.filter((job) => job.outcome?.cause === 'lost');
  // It takes a kill within a few milliseconds: most rounds have none.
  expect(lost.length).toBeLessThanOrEqual(Math.max(2, rounds / 5));
  const wrong: unknown[] = [];
  for (const job of jobs) {
    const events = await historyOf(server, job.uuid);
    let state: State | undefined = 'CREATED';
    for (const { name } of events) state = state && nextState(state, name as EventName);
    if (state !== job.state) wrong.push([job.uuid, 'an illegal history', events.map(({ name }) => name)]);
    const ends = events.filter(({ name }) => name === 'finish' || name === 'fail');
    if (ends.length !== 1) wrong.push([job.uuid, 'ends', ends]);
    const kind = kinds[work.kindOf(job) ?? ''];
    if (kind === undefined || job.parent !== null) continue;
    const steps = jobs.filter(({ parent }) => parent?.includes(job.uuid));
    if ([job, ...steps].some((one) => unknown(one, runs))) continue;
    if (causeOf(job) !== kind.cause) wrong.push([job.uuid, work.kindOf(job), kind.cause, job.outcome]);
  }
  expect(wrong).toEqual([]);
});

test('each program ran as often as its kind says, and each output is what its input makes it', async () => {
  const runs = work.runs();
  const wrong: unknown[] = [];
  for (const job of jobs) {
    const kind = kinds[work.kindOf(job) ?? ''];
    if (kind === undefined || job.parent !== null) continue;
    const ran = runs.get(job.uuid) ?? 0;
    const mayRun = job.outcome?.cause === 'lost' ? [0] : [kind.runs ?? ran];
    if (kind.definition !== undefined && !mayRun.includes(ran)) {
      wrong.push([job.uuid, work.kindOf(job), `ran ${ran} times`, job.outcome]);
    }
    if (kind.output === undefined || job.state !== 'FINISHED') continue;
    const input = await (await server.fetch(`/api/job/${job.uuid}/input/`)).text();
    const output = await outputOf(server, job.uuid);
    const wanted = kind.output(input, job.uuid);
    if (output !== wanted) wrong.push([job.uuid, work.kindOf(job), { input, output, wanted }]);
  }
  // A job of a kind that runs once never ran twice, however it ended.
  for (const job of jobs) {
    const kind = kinds[work.kindOf(job) ?? ''];
    if (kind?.runs !== 3 && (runs.get(job.uuid) ?? 0) > 1) wrong.push([job.uuid, 'ran twice']);
  }
  expect(wrong).toEqual([]);
});

test('the service has gone on all the time', async () => {
  const { state } = await serviceOf(server, service.uuid);
  const pids = linesOf(service.pids).map(Number);
  expect([state, pids.length, alive(pids[0] ?? 0)?.name]).toEqual(['RUNNING', 1, 'sleep']);
});

test('every end was told to the webhook, each event once or more, in order', async () => {
  const seen = new Map<string, Map<number, string>>();
  const read = () => {
    seen.clear();
    for (const { body } of receiver.accepted) {
      const { data } = JSON.parse(body) as {
        data: { job_uuid: string; event_name: string; revision: number };
      };
      const events = seen.get(data.job_uuid) ?? new Map<number, string>();
      events.set(data.revision, data.event_name);
      seen.set(data.job_uuid, events);
    }
    return jobs.filter(
      ({ uuid }) => ![...(seen.get(uuid)?.values() ?? [])].some((n) => /finish|fail/.test(n)),
    );
  };
  await waitFor(
    () => read().length === 0,
    'every end to be told',
    60_000,
    () => read().slice(0, 10),
  );
  for (const [uuid, events] of seen) {
    const revisions = [...events.keys()];
    expect([uuid, revisions]).toEqual([uuid, [...revisions].sort((a, b) => a - b)]);
  }
});

test('nothing is left: no process, no upload, no folder without a job, no group', async () => {
  await waitFor(
    () => leftOf(jobs.map(({ uuid }) => uuid)).length === 0 && work.living().length === 0,
    'every process to be gone',
    30_000,
    () => ({ marked: leftOf(jobs.map(({ uuid }) => uuid)), noted: work.living() }),
  );
  expect(readdirSync(path.join(server.data, 'incoming'))).toEqual([]);
  const known = new Set([...jobs.map(({ uuid }) => uuid), service.uuid]);
  const shards = path.join(server.data, 'jobs');
  const folders = readdirSync(shards).flatMap((shard) => readdirSync(path.join(shards, shard)));
  expect(folders.filter((uuid) => !known.has(uuid))).toEqual([]);
  const groups = '/sys/fs/cgroup';
  const named = (name: string) => jobs.some(({ uuid }) => name.includes(uuid));
  const ours = await waitFor(() => {
    try {
      return existsSync(groups)
        ? readdirSync(groups, { recursive: true, encoding: 'utf8' }).filter(named)
        : [];
    } catch {
      return undefined; // a group was removed while they were being read
    }
  }, 'the control groups to be read');
  expect(ours).toEqual([]);
});

test('the database is whole', async () => {
  await server.stop();
  const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
  expect(database.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  expect(database.pragma('foreign_key_check')).toEqual([]);
  database.close();
});
