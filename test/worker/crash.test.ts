import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { listProcesses, readProcess, variableOf } from '../../src/drivers/processes/processes.js';
import { endsOf, everyEnd, filter, historyOf, jobOf, leftOf, submit } from '../support/jobs.js';
import { alive, linesOf, program } from '../support/programs.js';
import { startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

let server: TestServer;
afterEach(async () => {
  await server.remove();
});
const open = async (application: Record<string, unknown> = {}) => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', MAX_RUNNING_JOBS: 8, ...application } });
  return path.join(server.data, 'shared-log');
};
/** Runs of each job, as the programs themselves have noted them. */
const runsOf = (log: string) => linesOf(log).map((line) => line.split(' ') as [string, string]);
const attemptFolder = (uuid: string, attempt = 1) =>
  path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, String(attempt));

test('200 jobs run and 200 wait while the server is killed: each ends once, ran once, and was not touched', async () => {
  const log = await open({ MAX_RUNNING_JOBS: 200 });
  const kinds = await Promise.all(
    ['0.2', '1', '3', '6'].map((seconds) =>
      server.register({ exec: program('appear'), argv: [log, seconds] }),
    ),
  );
  const uuids: string[] = [];
  for (let n = 0; n < 400; n += 20) {
    uuids.push(
      ...(await Promise.all(
        Array.from({ length: 20 }, (_, k) => submit(server, kinds[(n + k) % kinds.length] ?? 0)),
      )),
    );
  }
  await waitFor(() => linesOf(log).length >= 150, 'many to run');
  await server.kill();
  const before = runsOf(log);
  const long = before.filter(([, pid]) => alive(Number(pid)) !== undefined);
  expect(long.length).toBeGreaterThan(20);
  await server.restart();
  await everyEnd(server, uuids, 60_000);

  const runs = runsOf(log);
  expect(runs.map(([uuid]) => uuid).sort()).toEqual([...uuids].sort());
  const pids = new Map(runs);
  for (const [uuid, pid] of long) expect(pids.get(uuid)).toBe(pid);
  for (const uuid of uuids) {
    const job = await jobOf(server, uuid);
    expect(job).toMatchObject({ state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } });
    expect(await endsOf(server, uuid)).toEqual(['finish']);
    expect(await (await server.fetch(`/api/job/${uuid}/output/`)).text()).toBe(uuid);
  }
  expect(leftOf(uuids)).toEqual([]);
});

test('killed at random instants under load: what was accepted ends once, what was not is not there', async () => {
  const log = await open();
  const id = await server.register({ exec: program('appear'), argv: [log, '0.05'] });
  const accepted: string[] = [];
  for (let round = 0; round < 6; round += 1) {
    let killed = false;
    const clients = Array.from({ length: 6 }, async () => {
      // A request that the kill cuts off was not accepted; it must leave nothing half done.
      while (!killed)
        await submit(server, id, 'input').then(
          (uuid) => accepted.push(uuid),
          () => {},
        );
    });
    const enough = accepted.length + randomInt(5, 60);
    await waitFor(() => accepted.length >= enough, 'some to be accepted');
    await server.kill();
    killed = true;
    await Promise.all(clients);
    await server.restart();
  }
  await waitFor(
    async () => (await filter(server, 'state__in=CREATED,RUNNING,RESET&limit=1')).total === 0,
    'all to end',
    30_000,
  );
  const all = await filter(server, 'limit=1000');
  const known = all.objects.map(({ uuid }) => uuid);
  expect(known).toEqual(expect.arrayContaining(accepted));
  const ran = runsOf(log).map(([uuid]) => uuid);
  expect(new Set(ran).size).toBe(ran.length);
  for (const { uuid, state } of all.objects) {
    expect([uuid, state, await endsOf(server, uuid)]).toEqual([uuid, 'FINISHED', ['finish']]);
  }
  expect([...ran].sort()).toEqual([...known].sort());
  expect(readdirSync(path.join(server.data, 'incoming'))).toEqual([]);
});

test('killed while an input is uploading: no job, and nothing of it is left', async () => {
  await open();
  const id = await server.register({ exec: '/bin/cat' });
  const incoming = path.join(server.data, 'incoming');
  const stop = new AbortController();
  const body = new ReadableStream({
    // More than is gathered in memory, and then no more: the rest never comes.
    start: (controller) => controller.enqueue(new Uint8Array(2 ** 20)),
  });
  const upload = server.fetch(`/api/process_definition/${id}/run/`, {
    method: 'POST',
    body,
    signal: stop.signal,
    headers: { 'Content-Type': 'application/octet-stream' },
    duplex: 'half',
  } as RequestInit);
  const failed = expect(upload).rejects.toThrow();
  await waitFor(() => readdirSync(incoming).length > 0, 'the upload to begin');
  await server.kill();
  stop.abort();
  await failed;
  expect(readdirSync(incoming)).toHaveLength(1);
  await server.restart();
  expect(readdirSync(incoming)).toEqual([]);
  expect((await filter(server, 'limit=1')).total).toBe(0);
});

test('killed after the program ended and before its end was stored', async () => {
  const log = await open();
  const id = await server.register({ exec: program('appear'), argv: [log, '0.5'] });
  const uuid = await submit(server, id);
  await waitFor(() => linesOf(log).length === 1, 'the program to run');
  process.kill(server.pid, 'SIGSTOP');
  await waitFor(
    () => /^exit/m.test(readFileSync(path.join(attemptFolder(uuid), 'status'), 'utf8')),
    'the status',
  );
  await server.kill();
  await server.restart();
  expect(await jobOf(server, uuid, 10)).toMatchObject({ state: 'FINISHED', attempt: 1 });
  expect(await endsOf(server, uuid)).toEqual(['finish']);
  expect(linesOf(log)).toHaveLength(1);
});

test('killed before what a program had left behind was ended: it is ended after the start, with nothing else to do', async () => {
  const log = await open();
  const script =
    '(setsid sh -c \'echo $$ >"$1"; exec sleep 100000\' d "$1" &); until [ -s "$1" ]; do sleep 0.01; done';
  const uuid = await submit(
    server,
    await server.register({ exec: '/bin/sh', argv: ['-c', script, 'sh', log] }),
  );
  await waitFor(async () => (await jobOf(server, uuid)).state === 'FINISHED', 'its end');
  await server.kill();
  await server.restart();
  await waitFor(() => leftOf([uuid]).length === 0, 'the daemon to be ended');
});

test('killed between two attempts, and while the next one waits', async () => {
  const log = await open();
  const id = await server.register({
    exec: program('fail-times'),
    argv: [log, '2', '7'],
    retries: { limit: 3, backoff: { initial: 0.5, factor: 1 } },
  });
  const uuid = await submit(server, id);
  for (const runs of [1, 2]) {
    await waitFor(() => linesOf(log).length === runs, `run ${runs}`);
    await waitFor(async () => (await jobOf(server, uuid)).state === 'CREATED', 'the wait');
    await server.kill();
    await server.restart();
  }
  expect(await jobOf(server, uuid, 10)).toMatchObject({ state: 'FINISHED', attempt: 3 });
  expect((await historyOf(server, uuid)).map(({ name }) => name)).toEqual([
    'create',
    'run',
    'reset',
    'ready',
    'run',
    'reset',
    'ready',
    'run',
    'finish',
  ]);
  expect(linesOf(log)).toHaveLength(3);
});

test('killed in the middle of a cancel: the program is taken up, and can be cancelled again', async () => {
  const log = await open();
  const id = await server.register({ exec: program('ignores-sigterm'), argv: [log], kill_grace: 30 });
  const uuid = await submit(server, id);
  const line = await waitFor(() => linesOf(log)[0], 'the program to run');
  const cancel = server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
  const cut = expect(cancel).rejects.toThrow();
  await waitFor(() => readProcess(Number(line)) !== undefined && true, 'the cancel to be under way');
  await server.kill();
  await cut;
  await server.restart();
  expect(await jobOf(server, uuid)).toMatchObject({ state: 'RUNNING' });
  expect(alive(Number(line))).toBeDefined();
  process.kill(Number(line), 'SIGKILL');
  const job = await jobOf(server, uuid, 10);
  expect(job).toMatchObject({ state: 'FAILED', outcome: { cause: 'signal', signal: 'SIGKILL' } });
  await waitFor(() => leftOf([uuid]).length === 0, 'its child to be ended');
  expect(await endsOf(server, uuid)).toEqual(['fail']);
});

test('killed between the claim and the run event: never run twice, never forgotten', async () => {
  const log = await open({ MAX_RUNNING_JOBS: 1 });
  const blocker = await server.register({ exec: program('forever') });
  const id = await server.register({ exec: program('appear'), argv: [log, '0'] });
  await submit(server, blocker);
  const uuids = await Promise.all(Array.from({ length: 4 }, () => submit(server, id)));
  await server.kill();
  // As a server leaves it that was killed at the next steps: the folder made; the right to start it taken.
  const [empty = '', claimed = ''] = uuids;
  mkdirSync(path.join(attemptFolder(empty), 'work'), { recursive: true });
  mkdirSync(path.join(attemptFolder(claimed), 'work'), { recursive: true });
  writeFileSync(path.join(attemptFolder(claimed), 'status'), '');
  await server.restart();
  const [running] = (await filter(server, 'state=RUNNING')).objects;
  await server.fetch(`/api/job/${running?.uuid}/cancel/`, { method: 'POST' });
  await everyEnd(server, uuids);
  expect(await jobOf(server, empty)).toMatchObject({ state: 'FINISHED', attempt: 2 });
  expect(await jobOf(server, claimed)).toMatchObject({ state: 'FAILED', outcome: { cause: 'lost' } });
  expect(
    runsOf(log)
      .map(([uuid]) => uuid)
      .sort(),
  ).toEqual(uuids.filter((one) => one !== claimed).sort());
  for (const uuid of uuids) expect(await endsOf(server, uuid)).toHaveLength(1);
});

test('kill -9 of the shells that watch over programs: told once, and nothing of the programs is left', async () => {
  const log = await open();
  const id = await server.register({ exec: program('double-fork'), argv: [log] });
  const short = await server.register({ exec: program('appear'), argv: [`${log}-2`, '0'] });
  const uuids = await Promise.all(Array.from({ length: 6 }, () => submit(server, id)));
  await waitFor(() => linesOf(log).length === 6, 'the daemons');
  const runners = uuids.map(
    (uuid) => listProcesses().find(({ pid }) => variableOf(pid, 'PENSTOCK_JOB_UUID') === uuid)?.session ?? 0,
  );
  const [first = [], second = []] = [runners.slice(0, 3), runners.slice(3)];
  for (const pid of first) process.kill(pid, 'SIGKILL');
  await everyEnd(server, uuids.slice(0, 3));
  // And now those of whom a server of before takes no notice any more.
  await server.kill();
  for (const pid of second) process.kill(pid, 'SIGKILL');
  await server.restart();
  await everyEnd(server, uuids);
  for (const uuid of uuids) {
    expect(await jobOf(server, uuid)).toMatchObject({ state: 'FAILED', outcome: { cause: 'lost' } });
    expect(await endsOf(server, uuid)).toEqual(['fail']);
  }
  expect(leftOf(uuids)).toEqual([]);
  for (const line of linesOf(log)) expect(alive(Number(line))).toBeUndefined();
  // The next job is run as if nothing had been.
  expect(await jobOf(server, await submit(server, short), 10)).toMatchObject({ state: 'FINISHED' });
});
