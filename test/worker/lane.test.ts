import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { endsOf, everyEnd, historyOf, jobOf, leftOf, submit } from '../support/jobs.js';
import { alive, linesOf, program } from '../support/programs.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

let server: TestServer;
afterEach(() => server.remove());
const open = async (application: Record<string, unknown> = {}) => {
  server = await startServer({ application: { LOG_LEVEL: 'error', ...application } });
  return path.join(server.data, 'shared-log');
};
const cancel = async (uuid: string) => {
  const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
  return { status: answer.status, body: (await answer.json()) as { survivors?: unknown[]; job?: object } };
};
const namesOf = async (uuid: string) => (await historyOf(server, uuid)).map(({ name }) => name);

test('timeouts, exit codes that mean success, sizes', async () => {
  const log = await open({ MAX_RUNNING_JOBS: 8 });
  const define = (exec: string, argv: string[], more: object = {}) =>
    server.register({ exec: exec.includes('/') ? exec : program(exec), argv, ...more });
  const late = await define('ignores-sigterm', [log], { timeout: 0.3, kill_grace: 0.2 });
  const seven = await define('exit-code', ['7'], { success_codes: [7] });
  const zero = await define('exit-code', ['0'], { success_codes: [7] });
  const large = await define('/usr/bin/yes', [], { limits: { log_size: 1000 } });
  const output = { output_adapter: { output_type: 'file', output_parameters: { file_path: 'a.out' } } };
  const file = await define('/bin/sh', ['-c', 'head -c 5000 /dev/zero >a.out'], {
    limits: { output_size: 100, log_size: 100_000 },
    ...output,
  });
  const end = async (id: number) => jobOf(server, await submit(server, id), 20);
  const timed = await end(late);
  expect(timed).toMatchObject({ state: 'FAILED', outcome: { cause: 'timeout', signal: 'SIGKILL' } });
  expect(leftOf([timed.uuid])).toEqual([]);
  expect(await end(seven)).toMatchObject({ state: 'FINISHED' });
  expect(await end(zero)).toMatchObject({ state: 'FAILED', outcome: { cause: 'exit', exit_code: 0 } });
  expect((await end(large)).outcome?.cause).toBe('signal');
  expect((await end(file)).outcome?.reason).toContain('output_size');
});

test('retries: reset, ready, run, within their budget; temporary codes only where they are listed', async () => {
  const log = await open();
  const retries = { limit: 2, backoff: { initial: 0.0001, factor: 1 } };
  const define = (name: string, times: string, code: string, more: object = {}) =>
    server.register({ exec: program('fail-times'), argv: [`${log}-${name}`, times, code], retries, ...more });
  const jobs = await Promise.all([
    define('heals', '2', '9').then((id) => submit(server, id)),
    define('never', '9', '9').then((id) => submit(server, id)),
    define('other', '9', '9', { temporary_fail_codes: [75] }).then((id) => submit(server, id)),
    define('listed', '1', '75', { temporary_fail_codes: [75] }).then((id) => submit(server, id)),
  ]);
  await everyEnd(server, jobs);
  const again = ['reset', 'ready', 'run'];
  const histories = await Promise.all(jobs.map(namesOf));
  expect(histories).toEqual([
    ['create', 'run', ...again, ...again, 'finish'],
    ['create', 'run', ...again, ...again, 'fail'],
    ['create', 'run', 'fail'],
    ['create', 'run', ...again, 'finish'],
  ]);
});

test('cancel of jobs that wait, wait for a retry, run, have ended, or are just ending', async () => {
  const log = await open({ MAX_RUNNING_JOBS: 1 });
  const failing = await server.register({
    exec: program('fail-times'),
    argv: [log, '9', '3'],
    retries: { limit: 5, backoff: { initial: 60 } },
  });
  const delayed = await submit(server, failing);
  await waitFor(async () => (await jobOf(server, delayed)).waiting, 'the wait for a retry');
  const forever = await server.register({ exec: program('forever'), argv: [`${log}-2`] });
  const running = await submit(server, forever);
  const line = await waitFor(() => linesOf(`${log}-2`)[0], 'the program to run');
  const waiting = await submit(server, forever);
  for (const uuid of [delayed, waiting, running]) {
    const { status, body } = await cancel(uuid);
    expect([status, body.survivors]).toEqual([200, []]);
    expect(await jobOf(server, uuid)).toMatchObject({ state: 'FAILED', outcome: { cause: 'cancelled' } });
    expect((await cancel(uuid)).status).toBe(409);
    expect(await endsOf(server, uuid)).toEqual(['fail']);
  }
  expect(alive(Number(line))).toBeUndefined();

  const quick = await server.register({
    exec: program('exit-code'),
    argv: ['3'],
    retries: { limit: 50, backoff: { initial: 0.001, factor: 1 } },
  });
  const racing = await Promise.all(Array.from({ length: 15 }, () => submit(server, quick)));
  await Promise.all(racing.map(cancel));
  for (const uuid of racing) {
    // Whoever was told that it is over finds it over, and so it stays.
    expect((await jobOf(server, uuid)).state).toBe('FAILED');
    expect(await endsOf(server, uuid)).toEqual(['fail']);
  }
});

test('priority, one at a time of a definition, fairness, and a full queue', async () => {
  const log = await open({ MAX_RUNNING_JOBS: 2, MAX_QUEUED_JOBS_PER_USER: 4 });
  const blocker = await server.register({ exec: program('forever'), argv: [`${log}-2`], concurrency: 1 });
  const blockers = [await submit(server, blocker), await submit(server, blocker)];
  await waitFor(() => linesOf(`${log}-2`).length === 1, 'the first to run');
  expect((await jobOf(server, blockers[1] ?? '')).state).toBe('CREATED');
  const hold = await server.register({ exec: program('appear'), argv: [`${log}-3`, '1'] });
  const first = await submit(server, hold);
  await waitFor(() => linesOf(`${log}-3`).length === 1, 'the second place to be taken');
  const low = await server.register({ exec: program('appear'), argv: [log, '0'], priority: -5 });
  const high = await server.register({ exec: program('appear'), argv: [log, '0'], priority: 5 });
  const uuids = [await submit(server, low), await submit(server, high), await submit(server, low)];
  const full = await server.fetch(`/api/process_definition/${low}/run/`, { method: 'POST' });
  expect(full.status).toBe(429);
  expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
  await everyEnd(server, [first, ...uuids]);
  const order = linesOf(log).map((entry) => uuids.indexOf(entry.split(' ')[0] ?? ''));
  expect(order).toEqual([1, 0, 2]);
  for (const uuid of [...blockers].reverse()) await cancel(uuid);
});

test('a polite stop leaves running programs to the next start', async () => {
  const log = await open();
  const id = await server.register({ exec: program('appear'), argv: [log, '1.5'] });
  const uuid = await submit(server, id);
  const [, pid] = (await waitFor(() => linesOf(log)[0], 'the program to run')).split(' ');
  await server.stop();
  expect(alive(Number(pid))).toBeDefined();
  await server.restart();
  expect(await jobOf(server, uuid, 10)).toMatchObject({ state: 'FINISHED', attempt: 1 });
  expect(linesOf(log)).toHaveLength(1);
});

test('what is older than it has to be is cleared away', async () => {
  await open({ KEEP_FILES: 0, KEEP_JOBS: null });
  const id = await server.register({ exec: program('noisy') });
  const uuid = await submit(server, id);
  await everyEnd(server, [uuid]);
  await server.stop();
  await server.restart();
  await waitFor(
    async () => (await server.fetch(`/api/job/${uuid}/stdout/`)).status === 410,
    'its files to be cleared away',
  );
  expect((await jobOf(server, uuid)).state).toBe('FINISHED');
});
