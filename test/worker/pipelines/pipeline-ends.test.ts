import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { endsOf, leftOf } from '../../support/jobs.js';
import {
  endsOfSteps,
  outputOf,
  pipelineJob,
  pipelineOf,
  runPipeline,
  type ShownPipelineJob,
  stepJobs,
} from '../../support/pipelines.js';
import { linesOf } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
afterEach(async () => {
  await server.remove();
});

const items = 200;
const input = Array.from({ length: items }, (_, n) => `${n}\n`).join('');
/** Every run of a job is noted, so that one that runs twice shows. */
const noted = (log: string, script: string) => ({
  exec: '/bin/sh',
  argv: ['-c', `echo "$1" >>'${log}'; ${script}`, 'sh', '${job_uuid}'],
});

/** first -> 200 times each -> after each once more -> last; and beside it one that takes all the time that it is given. */
async function open(script: string, more: object = {}): Promise<{ id: number; log: string }> {
  server = await startServer({ application: { LOG_LEVEL: 'warn', MAX_RUNNING_JOBS: 8 } });
  const log = path.join(server.data, 'shared-log');
  const id = await pipelineOf(
    server,
    [
      { name: 'first', definition: noted(log, 'cat') },
      { name: 'each', definition: noted(log, script), each: { over: 'lines' } },
      { name: 'again', definition: noted(log, 'sed s/$/./'), each: { over: 'items', gather: 'lines' } },
      { name: 'beside', definition: noted(log, 'wc -l'), needs: ['first'] },
      { name: 'last', definition: noted(log, 'cat'), needs: ['beside'], input: 'again' },
    ],
    more,
  );
  return { id, log };
}
const start = async (id: number) =>
  ((await (await runPipeline(server, id, input)).json()) as ShownPipelineJob).uuid;
const wanted = Array.from({ length: items }, (_, n) => `${n}.\n`).join('');

/** Everything has ended, each once, and nothing is left running. */
async function checkEnds(uuid: string): Promise<void> {
  const jobs = await stepJobs(server, uuid);
  expect(jobs.filter(({ state }) => !['FINISHED', 'FAILED'].includes(state))).toEqual([]);
  expect(await endsOf(server, uuid)).toHaveLength(1);
  for (const [step, ends] of await endsOfSteps(server, uuid)) expect([step, ends.length]).toEqual([step, 1]);
  expect(leftOf(jobs.map((job) => job.uuid))).toEqual([]);
  const parent = await pipelineJob(server, uuid);
  const latest = Math.max(...jobs.map(({ ended }) => Date.parse(ended ?? '')));
  expect(Date.parse(parent.ended ?? '')).toBeGreaterThanOrEqual(latest);
}
const resume = (uuid: string, body?: object) =>
  server.fetch(`/api/job/${uuid}/resume/`, body === undefined ? { method: 'POST' } : { json: body });

/** What ran, by how often. */
function runsOf(log: string): Map<string, number> {
  const runs = new Map<string, number>();
  for (const uuid of linesOf(log)) runs.set(uuid, (runs.get(uuid) ?? 0) + 1);
  return runs;
}

test('killed at ten instants: it goes on each time, runs every job once, and gives the same bytes', async () => {
  const { id, log } = await open('cat');
  const uuid = await start(id);
  for (let kill = 1; kill <= 10; kill += 1) {
    await waitFor(() => linesOf(log).length >= kill * 38, `${kill * 38} runs`, 60_000);
    await server.kill();
    await server.restart();
  }
  const job = await pipelineJob(server, uuid, 60);
  expect(job).toMatchObject({ state: 'FINISHED' });
  expect(await outputOf(server, uuid)).toBe(wanted);
  const runs = runsOf(log);
  expect(runs.size).toBe(2 * items + 3);
  expect([...runs.values()].filter((count) => count > 1)).toEqual([]);
  expect(job.steps.find(({ name }) => name === 'each')).toMatchObject({
    state: 'FINISHED',
    items: { total: items, waiting: 0, running: 0, finished: items, failed: 0 },
  });
  await checkEnds(uuid);
});

test('an item fails: all ends because of it; a resume runs it again, and what never ran, and nothing else', async () => {
  const flag = () => path.join(server.data, 'flag');
  const { id, log } = await open(
    `read n; [ "$n" = 150 ] && [ ! -e "$HOME/../../../../../flag" ] && exit 7; echo $n`,
  );
  const uuid = await start(id);
  const job = await pipelineJob(server, uuid, 60);
  expect(job).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'exit', exit_code: 7, reason: "Item 150 of the step 'each' exited with 7." },
  });
  expect(job.steps.map(({ state }) => state)).toEqual([
    'FINISHED',
    'FAILED',
    expect.any(String),
    'FINISHED',
    null,
  ]);
  await checkEnds(uuid);
  const before = await stepJobs(server, uuid);
  const cancelled = before.filter(({ outcome }) => outcome?.cause === 'cancelled');
  for (const { outcome } of cancelled) {
    expect(outcome?.reason).toBe("Cancelled by its pipeline, whose step 'each' failed.");
  }
  const good = new Set(before.filter(({ state }) => state === 'FINISHED').map((one) => one.uuid));
  const runs = runsOf(log);
  writeFileSync(flag(), '');
  expect((await resume(uuid)).status).toBe(202);
  const resumed = await pipelineJob(server, uuid, 60);
  expect(resumed).toMatchObject({ state: 'FINISHED', attempt: 2, outcome: { cause: 'exit', exit_code: 0 } });
  expect(await outputOf(server, uuid)).toBe(wanted);
  const after = runsOf(log);
  for (const one of good) expect(after.get(one)).toBe(runs.get(one));
  expect(after.size).toBe(2 * items + 3);
  expect((await resume(uuid)).status).toBe(409);
});

test('cancelled in the middle, killed while it ends, resumed, killed, and finished', async () => {
  const { id, log } = await open('cat; sleep 0.05');
  const uuid = await start(id);
  await waitFor(() => linesOf(log).length >= 40, '40 runs');
  const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
  expect(answer.status).toBe(200);
  const { job, survivors } = (await answer.json()) as { job: ShownPipelineJob; survivors: unknown[] };
  expect(survivors).toEqual([]);
  expect(job).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'cancelled', reason: 'Cancelled by root.' },
  });
  await checkEnds(uuid);

  // Once more, and killed the moment the cancel is on its way.
  expect((await resume(uuid)).status).toBe(202);
  await waitFor(() => linesOf(log).length >= 100, '100 runs');
  const cut = server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' }).catch(() => undefined);
  await delay(15);
  await server.kill();
  await cut;
  await server.restart();
  const ended = await pipelineJob(server, uuid, 60);
  if (ended.state === 'FAILED') {
    expect(ended.outcome?.cause).toBe('cancelled');
    expect((await resume(uuid)).status).toBe(202);
    await server.kill();
    await server.restart();
  }
  const done = await pipelineJob(server, uuid, 60);
  expect(done.state).toBe('FINISHED');
  expect(await outputOf(server, uuid)).toBe(wanted);
});

test('one item is cancelled: that fails the pipeline', async () => {
  const { id, log } = await open('read n; [ "$n" = 5 ] && exec sleep 60; echo $n');
  const uuid = await start(id);
  await waitFor(() => linesOf(log).length >= 30, '30 runs');
  const [five] = (await stepJobs(server, uuid)).filter(({ step, item }) => step === 'each' && item === 5);
  expect((await server.fetch(`/api/job/${five?.uuid}/cancel/`, { method: 'POST' })).status).toBe(200);
  const job = await pipelineJob(server, uuid, 60);
  expect(job).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'cancelled', reason: "Item 5 of the step 'each' failed: Cancelled by root." },
  });
  await checkEnds(uuid);
});

test('its time is over, also when the server was away meanwhile', async () => {
  const { id, log } = await open('cat; sleep 0.3', { timeout: 3 });
  const uuid = await start(id);
  await waitFor(() => linesOf(log).length >= 10, '10 runs');
  await server.kill();
  await delay(1000);
  await server.restart();
  const job = await pipelineJob(server, uuid, 60);
  expect(job).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'timeout', reason: 'It took longer than its 3 s.' },
  });
  await checkEnds(uuid);
});

test('what is old is cleared away together, and cannot be resumed then; later it is deleted together', async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', KEEP_FILES: 0, KEEP_JOBS: null } });
  const id = await pipelineOf(server, [
    { name: 'each', definition: { exec: 'cat' }, each: { over: 'lines' } },
    { name: 'fails', definition: { exec: 'false' } },
  ]);
  const uuid = await start(id);
  await pipelineJob(server, uuid, 60);
  await server.stop();
  await server.restart();
  await waitFor(
    async () => ((await pipelineJob(server, uuid)) as { cleared?: string }).cleared,
    'it to be cleared',
  );
  const jobs = (await stepJobs(server, uuid)) as { cleared?: string | null }[];
  expect(jobs).toHaveLength(items + 1);
  expect(jobs.filter(({ cleared }) => cleared === null)).toEqual([]);
  const answer = await resume(uuid);
  expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
    409,
    expect.stringContaining('were cleared at'),
  ]);
});

test('resumed from a step that ended well: that one and all after it run again, with other items, too', async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn' } });
  const [source, flag] = [path.join(server.data, 'source'), path.join(server.data, 'flag')];
  writeFileSync(source, 'a\nb\nc\nd\n');
  const id = await pipelineOf(server, [
    { name: 'aside', sh: 'echo aside' },
    { name: 'list', sh: `cat '${source}'`, input: null, needs: ['aside'] },
    { name: 'each', sh: 'tr a-z A-Z', each: { over: 'lines' } },
    { name: 'check', sh: `cat; [ -e '${flag}' ]` },
  ]);
  const job = (await (await runPipeline(server, id, undefined, '?wait=30')).json()) as ShownPipelineJob;
  expect(job).toMatchObject({ state: 'FAILED', outcome: { reason: "The step 'check' exited with 1." } });
  writeFileSync(source, 'x\ny\n');
  writeFileSync(flag, '');
  const wrong = await resume(job.uuid, { from: 'lits' });
  expect([wrong.status, await wrong.json()]).toMatchObject([
    400,
    { errors: [{ pointer: '/from', detail: expect.stringContaining('"list"') }] },
  ]);
  expect((await resume(job.uuid, { from: 'list' })).status).toBe(202);
  const done = await pipelineJob(server, job.uuid, 30);
  expect(done.state).toBe('FINISHED');
  expect(await outputOf(server, job.uuid)).toBe('X\nY\n');
  expect(done.steps.map(({ name, attempt }) => [name, attempt])).toEqual([
    ['aside', 1],
    ['list', 2],
    ['each', 2],
    ['check', 2],
  ]);
  expect(done.steps[2]?.items).toMatchObject({ total: 2, finished: 2 });
  expect((await resume(job.uuid, { from: 'list' })).status).toBe(409);
});

test('graphs, killed at random instants: each ends once, runs each job once, and gives its bytes', async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', MAX_RUNNING_JOBS: 4 } });
  const log = path.join(server.data, 'shared-log');
  const id = await pipelineOf(server, [
    { name: 'a', definition: noted(log, 'cat') },
    { name: 'b', definition: noted(log, 'tr a-z A-Z') },
    { name: 'each', definition: noted(log, 'cat'), needs: ['b'], each: { over: 'lines', concurrency: 3 } },
    { name: 'c', definition: noted(log, 'rev'), input: 'each' },
    { name: 'd', definition: noted(log, 'sort -r') },
    {
      name: 'paste',
      definition: {
        exec: '/bin/sh',
        argv: [
          '-c',
          `echo "$1" >>'${log}'; paste -d: "$2" "$3"`,
          'sh',
          '${job_uuid}',
          '${input_file.x}',
          '${input_file.y}',
        ],
      },
      inputs: { x: 'd', y: 'each' },
    },
  ]);
  const uuids: string[] = [];
  for (let round = 0; round < 8; round += 1) {
    for (let n = 0; n < 2; n += 1) {
      const answer = await runPipeline(server, id, 'ab\ncd\nef\n');
      uuids.push(((await answer.json()) as ShownPipelineJob).uuid);
    }
    await delay(randomInt(5, 250));
    await server.kill();
    await server.restart();
  }
  for (const uuid of uuids) {
    const job = await pipelineJob(server, uuid, 60);
    expect([uuid, job.state, job.outcome?.reason]).toEqual([uuid, 'FINISHED', null]);
    expect(await outputOf(server, uuid)).toBe('FE:AB\nDC:CD\nBA:EF\n');
    await checkEnds(uuid);
  }
  const runs = runsOf(log);
  expect(runs.size).toBe(uuids.length * 8);
  expect([...runs].filter(([, count]) => count > 1)).toEqual([]);
});
