import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { endsOf, historyOf, leftOf, submit } from '../../support/jobs.js';
import { alive, linesOf, program } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { quick, serviceOf, untilService } from '../../support/services.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
afterEach(async () => {
  await server.remove();
});
const open = async (application: Record<string, unknown> = {}) => {
  server = await startServer({ application: { LOG_LEVEL: 'warn', ...application } });
};
const file = (name: string) => path.join(server.data, name);
const register = (definition: object, service: object = {}) =>
  server.register({ process_type: 'service', ...definition, service: { ...quick, ...service } });
const start = async (definition: object, service: object = {}) =>
  submit(server, await register(definition, service));
const shell = (script: string, ...argv: string[]) => ({
  exec: '/bin/sh',
  argv: ['-c', script, 'sh', ...argv],
});
const post = (uuid: string, what: string) => server.fetch(`/api/job/${uuid}/${what}/`, { method: 'POST' });
const pidsIn = (log: string) => linesOf(log).map(Number);

test.each([
  'kill',
  'stop',
] as const)('after %s of the server the same program goes on, and all that is known of it', async (how) => {
  await open();
  const log = file('pids');
  // It fails twice, then stays.
  const script = 'echo $$ >>"$1"; [ "$(wc -l <"$1")" -ge 3 ] || exit 1; echo up; exec sleep 100000';
  const uuid = await start(shell(script, log), { ready: { line: 'up' } });
  await untilService(server, uuid, ({ ready }) => ready);
  const before = await serviceOf(server, uuid);
  await server[how]();
  const pid = pidsIn(log)[2] ?? 0;
  expect(alive(pid)).toBeDefined();
  await server.restart();
  expect(await serviceOf(server, uuid)).toEqual(before);
  expect(alive(pid)).toBeDefined();
  const answer = await post(uuid, 'restart');
  expect(answer.status).toBe(200);
  expect(alive(pid)).toBeUndefined();
  await untilService(server, uuid, ({ ready, restarts }) => ready && restarts === 3);
  expect((await post(uuid, 'stop')).status).toBe(200);
  expect(pidsIn(log)).toHaveLength(4);
  expect(leftOf([uuid])).toEqual([]);
});

test('a program that died while the server was away is restarted by its mode', async () => {
  await open();
  const log = file('pids');
  const [always, abnormal, never] = await Promise.all(
    (['always', 'abnormal', 'never'] as const).map((restart_mode) =>
      start({ exec: program('forever'), argv: [`${log}-${restart_mode}`] }, { restart_mode }),
    ),
  );
  const [well] = [
    await start(shell('echo $$ >>"$1"; until [ -e "$1.end" ]; do sleep 0.02; done', `${log}-well`)),
  ];
  const pids = await waitFor(() => {
    const all = ['always', 'abnormal', 'never', 'well'].map((name) => pidsIn(`${log}-${name}`)[0]);
    return all.every((pid) => pid !== undefined) ? (all as number[]) : undefined;
  }, 'all to run');
  for (const uuid of [always, abnormal, never, well]) {
    await untilService(server, uuid ?? '', ({ ready }) => ready);
  }
  await server.kill();
  for (const pid of pids.slice(0, 3)) process.kill(pid, 'SIGKILL');
  writeFileSync(`${log}-well.end`, '');
  await waitFor(() => pids.every((pid) => alive(pid) === undefined), 'all to end');
  await server.restart();
  for (const uuid of [always, abnormal]) {
    const job = await untilService(server, uuid ?? '', ({ ready, restarts }) => ready && restarts === 1);
    expect(job.service?.last_end).toMatchObject({ cause: 'signal', signal: 'SIGKILL', attempt: 1 });
    await post(uuid ?? '', 'stop');
  }
  expect(await serviceOf(server, never ?? '')).toMatchObject({
    state: 'FAILED',
    outcome: { cause: 'signal', signal: 'SIGKILL' },
  });
  expect(await serviceOf(server, well ?? '')).toMatchObject({ state: 'FINISHED', outcome: { exit_code: 0 } });
});

test('one that waits for its next start goes on waiting for the same time', async () => {
  await open();
  const log = file('pids');
  // Long enough for a restart on a busy machine.
  const backoff = { initial: 16, factor: 1, maximum: 16 };
  const uuid = await start(
    shell('echo $$ >>"$1"; [ "$(wc -l <"$1")" -ge 2 ] || exit 1; exec sleep 100000', log),
    { backoff },
  );
  const before = await untilService(server, uuid, ({ health }) => health === 'waiting');
  await server.kill();
  await server.restart();
  expect(await serviceOf(server, uuid)).toEqual(before);
  expect(pidsIn(log)).toHaveLength(1);
  const job = await untilService(server, uuid, ({ ready }) => ready, 30_000);
  expect(job.started !== null && job.started >= String(before.service?.next_start)).toBe(true);
  expect(job.service).toMatchObject({ in_a_row: 1, restarts: 1 });
  await post(uuid, 'stop');
});

test('the time to become ready goes on, and what is written meanwhile counts', async () => {
  await open();
  const gate = file('gate');
  const script = 'until [ -e "$1" ]; do sleep 0.02; done; echo up; exec sleep 100000';
  const ready = await start(shell(script, gate), { ready: { line: '^up$' } });
  const late = await start(
    { exec: program('forever') },
    { ready: { line: 'never' }, ready_timeout: 1, restart_mode: 'never' },
  );
  for (const uuid of [ready, late]) {
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'RUNNING', 'it to run');
  }
  await server.kill();
  spawn('touch', [gate]);
  await delay(1000);
  await server.restart();
  await untilService(server, ready, (service) => service.ready);
  await waitFor(async () => (await serviceOf(server, late)).state === 'FAILED', 'the other to fail', 1000);
  expect((await serviceOf(server, late)).outcome?.reason).toContain('not ready within 1 s');
  await post(ready, 'stop');
});

test.each([
  ['stop', 'FINISHED'],
  ['cancel', 'FAILED'],
  ['restart', 'RUNNING'],
] as const)('a %s that was asked for before is carried through', async (what, state) => {
  await open();
  // It takes its time to end.
  const uuid = await start({ exec: program('ignores-sigterm'), kill_grace: 1.5 });
  await untilService(server, uuid, ({ ready }) => ready);
  const lost = post(uuid, what).catch(() => undefined);
  await untilService(server, uuid, ({ asked }) => asked?.what === what);
  await server.kill();
  await lost;
  await server.restart();
  await waitFor(async () => {
    const job = await serviceOf(server, uuid);
    return job.state === state && (state !== 'RUNNING' || job.attempt === 2);
  }, 'it to be carried through');
  const job = await serviceOf(server, uuid);
  const reason = { stop: 'Stopped by root.', cancel: 'Cancelled by root.', restart: 'Restarted by root.' }[
    what
  ];
  if (what === 'restart') {
    expect(job.service).toMatchObject({ asked: null, in_a_row: 0, last_end: { reason } });
    await post(uuid, 'cancel');
  } else expect(job.outcome).toMatchObject({ reason });
  expect(leftOf([uuid])).toEqual([]);
  expect(await endsOf(server, uuid)).toHaveLength(1);
});

test('after the machine was started anew it is restarted, unless never', async () => {
  await open();
  const log = file('pids');
  const [abnormal, never] = [
    await start({ exec: program('forever'), argv: [log] }),
    await start({ exec: program('forever'), argv: [log] }, { restart_mode: 'never' }),
  ];
  await waitFor(() => pidsIn(log).length === 2, 'both to run');
  for (const uuid of [abnormal, never]) await untilService(server, uuid, ({ ready }) => ready);
  await server.kill();
  for (const pid of pidsIn(log)) process.kill(pid, 'SIGKILL');
  const database = new Database(path.join(server.data, 'penstock.sqlite'));
  database.exec(`UPDATE job SET handle = json_set(handle, '$.boot_id', 'another boot')`);
  database.close();
  // A machine that fails leaves no word of how its programs ended.
  for (const uuid of [abnormal, never]) writeFileSync(path.join(folderOf(uuid), '1', 'status'), 'program\n');
  await server.restart();
  const job = await untilService(server, abnormal, ({ restarts, ready }) => restarts === 1 && ready);
  expect(job.service?.last_end).toMatchObject({
    cause: 'lost',
    reason: expect.stringContaining('was restarted'),
  });
  expect(await serviceOf(server, never)).toMatchObject({ state: 'FAILED', outcome: { cause: 'lost' } });
  await post(abnormal, 'stop');
});

const folderOf = (uuid: string) => path.join(server.data, 'jobs', uuid.slice(3, 5), uuid);

test('killed at random instants: no two starts at once, each number once, and it goes on', async () => {
  await open();
  const lock = file('lock');
  const log = file('log');
  // Each start notes its number, and whether another one lives; then it ends, or is slow to start.
  const script = `
    n=$\${PWD%/work}
    n=$\${n##*/}
    exec 9>"$1-$PENSTOCK_JOB_UUID"
    flock -n 9 || echo "$PENSTOCK_JOB_UUID twice" >>"$2"
    echo "$PENSTOCK_JOB_UUID $n" >>"$2"
    sleep 0.0$((n % 7))
    exit 1`;
  const id = await register(shell(script, lock, log), {
    restart_limit: null,
    backoff: { initial: 0.01, factor: 1, maximum: 0.01 },
  });
  const uuids = await Promise.all(Array.from({ length: 5 }, () => submit(server, id)));
  for (let round = 0; round < 5; round += 1) {
    const enough = linesOf(log).length + randomInt(1, 40);
    await waitFor(() => linesOf(log).length >= enough, 'some starts');
    await server.kill();
    await server.restart();
  }
  for (const uuid of uuids) {
    const answer = await post(uuid, 'stop');
    expect([answer.status, await answer.json()]).toMatchObject([200, { job: { state: 'FINISHED' } }]);
  }
  const lines = linesOf(log);
  expect(lines.filter((line) => line.endsWith('twice'))).toEqual([]);
  for (const uuid of uuids) {
    const numbers = lines.flatMap((line) => (line.startsWith(uuid) ? [Number(line.split(' ')[1])] : []));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    const job = await serviceOf(server, uuid);
    expect(job.state).toBe('FINISHED');
    expect(job.attempt).toBeGreaterThanOrEqual(numbers.at(-1) ?? 0);
    expect(await endsOf(server, uuid)).toEqual(['finish']);
    // Every start that ran is in the history; the last may have been stopped before it said so.
    const told = (await historyOf(server, uuid)).flatMap(({ name, data }) =>
      name === 'run' ? [Number(data?.attempt)] : [],
    );
    expect(told).toEqual(expect.arrayContaining(numbers));
    expect(told).toEqual([...new Set(told)]);
    expect(readdirSync(folderOf(uuid)).filter((name) => /^\d+$/.test(name)).length).toBeLessThanOrEqual(6);
  }
  expect(leftOf(uuids)).toEqual([]);
});

test('there are bounds for all, for a user and for a definition; running jobs are not held up', async () => {
  await open({ MAX_SERVICES: 4, MAX_SERVICES_PER_USER: 3, MAX_RUNNING_JOBS: 1 });
  const ada = await server.addUser('ada');
  const forever = { exec: program('forever'), process_type: 'service' };
  const mine = await server.register(forever, ada);
  const single = await server.register({ ...forever, concurrency: 1 });
  const run = (id: number, as = server.admin) =>
    server.fetch(`/api/process_definition/${id}/run/`, { method: 'POST', as });
  const detail = async (answer: Response) => [
    answer.status,
    ((await answer.json()) as { error: string }).error,
  ];
  const uuids: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    const answer = await run(mine, ada);
    expect(answer.status).toBe(202);
    uuids.push(((await answer.json()) as { uuid: string }).uuid);
  }
  expect(await detail(await run(mine, ada))).toEqual([429, expect.stringContaining('MAX_SERVICES_PER_USER')]);
  const answer = await run(single);
  uuids.push(((await answer.json()) as { uuid: string }).uuid);
  await server.kill();
  await server.restart();
  expect(await detail(await run(single))).toEqual([429, expect.stringContaining('(MAX_SERVICES)')]);
  expect((await post(uuids.shift() ?? '', 'stop')).status).toBe(200);
  expect(await detail(await run(single))).toEqual([429, expect.stringContaining('concurrency')]);
  const job = await submit(server, await server.register({ exec: 'true' }));
  await waitFor(async () => (await serviceOf(server, job)).state === 'FINISHED', 'a job beside the services');
  for (const uuid of uuids) await post(uuid, 'stop');
});
