import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endsOf, historyOf, leftOf, submit } from '../../support/jobs.js';
import { freePorts } from '../../support/ports.js';
import { alive, linesOf, program } from '../../support/programs.js';
import { startServer, type TestServer } from '../../support/server.js';
import { quick, serviceOf, untilService } from '../../support/services.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'warn' } });
});
afterAll(() => server.remove());

let number = 0;
/** A file of a test's own, below the server's folder. */
const file = (name: string) => {
  number += 1;
  return path.join(server.data, `${name}-${number}`);
};
const start = async (definition: object, service: object = {}) =>
  submit(
    server,
    await server.register({ process_type: 'service', ...definition, service: { ...quick, ...service } }),
  );
const shell = (script: string, ...argv: string[]) => ({
  exec: '/bin/sh',
  argv: ['-c', script, 'sh', ...argv],
});
const post = (uuid: string, what: string) => server.fetch(`/api/job/${uuid}/${what}/`, { method: 'POST' });

describe.each([
  ['exit 0', 'exit 0', { cause: 'exit', exit_code: 0 }, { always: true, abnormal: false, never: false }],
  ['exit 3', 'exit 3', { cause: 'exit', exit_code: 3 }, { always: true, abnormal: true, never: false }],
  [
    'a signal',
    'kill -9 $$',
    { cause: 'signal', signal: 'SIGKILL' },
    { always: true, abnormal: true, never: false },
  ],
] as const)('after %s', (_, end, outcome, restarted) => {
  test.each(['always', 'abnormal', 'never'] as const)('%s', async (mode) => {
    const log = file('runs');
    // The third start stays.
    const script = `echo run >>"$1"; [ "$(wc -l <"$1")" -ge 3 ] && exec sleep 100000; ${end}`;
    const uuid = await start(shell(script, log), { restart_mode: mode });
    if (restarted[mode]) {
      await untilService(server, uuid, ({ restarts, health }) => restarts === 2 && health === 'ready');
      const job = await serviceOf(server, uuid);
      expect(job).toMatchObject({ state: 'RUNNING', attempt: 3, outcome: null });
      expect(job.service).toMatchObject({
        in_a_row: 2,
        last_end: { ...outcome, attempt: 2 },
        next_start: null,
      });
      expect((await historyOf(server, uuid)).map(({ name }) => name)).toEqual([
        'create',
        'run',
        'resource',
        'run',
        'resource',
        'run',
      ]);
      expect((await post(uuid, 'stop')).status).toBe(200);
      expect(linesOf(log)).toHaveLength(3);
    } else {
      const state = end === 'exit 0' ? 'FINISHED' : 'FAILED';
      await waitFor(async () => (await serviceOf(server, uuid)).state === state, 'its end');
      const job = await serviceOf(server, uuid);
      expect(job).toMatchObject({ attempt: 1, outcome });
      expect(job.service).toMatchObject({ health: 'ended', ready: false, restarts: 0 });
      expect(linesOf(log)).toHaveLength(1);
    }
    expect(await endsOf(server, uuid)).toHaveLength(1);
  });
});

test('waits longer each time, and is given up after its limit, with the last cause', async () => {
  const uuid = await start(shell('exit 7'), {
    restart_limit: 3,
    backoff: { initial: 0.1, factor: 2, maximum: 10 },
  });
  await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to be given up');
  const { outcome, attempt } = await serviceOf(server, uuid);
  expect(attempt).toBe(4);
  expect(outcome).toMatchObject({ cause: 'exit', exit_code: 7 });
  expect(outcome?.reason).toBe('Penstock gave up after 3 restarts in a row without being up for 60 s.');
  const waits = (await historyOf(server, uuid)).flatMap(({ name, date, data }) =>
    name === 'resource' ? [new Date(String(data?.not_before)).getTime() - new Date(date).getTime()] : [],
  );
  expect(waits).toHaveLength(3);
  [100, 200, 400].forEach((full, index) => {
    expect(waits[index]).toBeGreaterThan(full / 2 - 30);
    expect(waits[index]).toBeLessThanOrEqual(full);
  });
});

test('what was up long enough begins a new row', async () => {
  const log = file('runs');
  const uuid = await start(shell('echo run >>"$1"; sleep 0.2; exit 1', log), {
    restart_limit: 1,
    stable_after: 0.1,
  });
  await waitFor(() => linesOf(log).length >= 4, 'more restarts than the limit allows in a row');
  expect((await serviceOf(server, uuid)).service?.in_a_row).toBeLessThanOrEqual(1);
  await post(uuid, 'cancel');
});

test('a program that is not there is a failure at once', async () => {
  const uuid = await start({ exec: '/no/such/program' });
  await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to fail');
  const job = await serviceOf(server, uuid);
  expect(job.outcome).toMatchObject({
    cause: 'platform',
    reason: expect.stringContaining('/no/such/program'),
  });
  expect(job.service).toMatchObject({ health: 'ended' });
});

describe('readiness', () => {
  test('at once', async () => {
    const uuid = await start({ exec: program('forever') });
    await untilService(server, uuid, ({ ready }) => ready);
    await post(uuid, 'stop');
  });

  test('by a port that is listened on, of which no connection is used up', async () => {
    const [port = 0] = await freePorts(1);
    const gate = file('gate');
    // It takes one connection and ends.
    const script =
      'until [ -e "$1" ]; do sleep 0.05; done; exec socat -u TCP-LISTEN:$2,bind=127.0.0.1 STDOUT';
    const uuid = await start(shell(script, gate, String(port)), { ready: { port } });
    await untilService(server, uuid, ({ health }) => health === 'starting');
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'RUNNING', 'it to run');
    expect((await serviceOf(server, uuid)).service).toMatchObject({ ready: false, health: 'starting' });
    spawn('touch', [gate]);
    await untilService(server, uuid, ({ ready }) => ready);
    const client = spawn('socat', ['-u', 'STDIN', `TCP:127.0.0.1:${port}`]);
    client.stdin.end('a client');
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'FINISHED', 'its one client');
    expect(await (await server.fetch(`/api/job/${uuid}/stdout/`)).text()).toBe('a client');
  });

  test('not by a port that somebody else listens on', async () => {
    const [port = 0] = await freePorts(1);
    const stranger = createServer().listen(port, '127.0.0.1');
    const uuid = await start(
      { exec: program('forever') },
      { ready: { port }, ready_timeout: 0.5, restart_mode: 'never' },
    );
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to fail');
    expect((await serviceOf(server, uuid)).outcome?.reason).toBe('It was not ready within 0.5 s.');
    stranger.close();
  });

  test('by a line', async () => {
    const gate = file('gate');
    const script =
      'echo not ready; until [ -e "$1" ]; do sleep 0.05; done; echo "ready to serve"; exec sleep 100000';
    const uuid = await start(shell(script, gate), { ready: { line: '^ready' } });
    await waitFor(
      async () => (await (await server.fetch(`/api/job/${uuid}/stdout/`)).text()) !== '',
      'the first line',
    );
    expect((await serviceOf(server, uuid)).service).toMatchObject({ ready: false });
    spawn('touch', [gate]);
    await untilService(server, uuid, ({ ready }) => ready);
    expect((await historyOf(server, uuid)).at(-1)).toMatchObject({
      name: 'update',
      data: { ready: true, attempt: 1 },
    });
    await post(uuid, 'stop');
  });

  test('not in time: ended, told, restarted by the same rules', async () => {
    const uuid = await start(
      { exec: program('ignores-sigterm'), kill_grace: 0.1 },
      { ready: { line: 'never' }, ready_timeout: 0.2, restart_limit: 1 },
    );
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to be given up');
    const job = await serviceOf(server, uuid);
    expect(job.attempt).toBe(2);
    expect(job.outcome).toMatchObject({ cause: 'timeout', signal: 'SIGKILL' });
    expect(job.outcome?.reason).toMatch(/^It was not ready within 0.2 s\. Penstock gave up after 1 restart /);
    expect(leftOf([uuid])).toEqual([]);
  });

  test('by an expression that takes for ever: that start fails, and the server goes on', async () => {
    const uuid = await start(shell(`echo ${'a'.repeat(60)}!; exec sleep 100000`), {
      ready: { line: '^(a+)+$' },
      restart_limit: 0,
    });
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to fail');
    expect((await serviceOf(server, uuid)).outcome?.reason).toContain('takes too long');
  });
});

test('a timeout ends a start, and the next one follows', async () => {
  const log = file('runs');
  const uuid = await start({ exec: program('forever'), argv: [log], timeout: 0.3 });
  await waitFor(() => linesOf(log).length >= 2, 'the second start');
  const { service } = await serviceOf(server, uuid);
  expect(service?.last_end).toMatchObject({ cause: 'timeout', reason: 'It ran longer than its 0.3 s.' });
  await post(uuid, 'cancel');
});

describe('stop, restart, cancel', () => {
  test('stop ends all that it started, also what forked twice, and it has finished', async () => {
    const log = file('daemon');
    const uuid = await start({ exec: program('double-fork'), argv: [log] });
    const [daemon = ''] = await waitFor(
      () => (linesOf(log).length > 0 ? linesOf(log) : undefined),
      'the daemon',
    );
    const answer = await post(uuid, 'stop');
    expect(answer.status).toBe(200);
    const { job, signalled, survivors } = (await answer.json()) as {
      job: Awaited<ReturnType<typeof serviceOf>>;
      signalled: { signals: string[] }[];
      survivors: unknown[];
    };
    expect(job).toMatchObject({
      state: 'FINISHED',
      outcome: { cause: 'signal', signal: 'SIGTERM', reason: 'Stopped by root.' },
    });
    expect(signalled.length).toBeGreaterThanOrEqual(2);
    expect(survivors).toEqual([]);
    expect(alive(Number(daemon))).toBeUndefined();
    expect(leftOf([uuid])).toEqual([]);
    expect(job.service).toMatchObject({ health: 'ended', asked: null });
    expect(await endsOf(server, uuid)).toEqual(['finish']);
  });

  test('a program that ends itself when asked to has its own exit code', async () => {
    const uuid = await start(shell('trap "exit 4" TERM; echo up; while :; do sleep 0.05; done'), {
      ready: { line: 'up' },
    });
    await untilService(server, uuid, ({ ready }) => ready);
    await post(uuid, 'stop');
    expect(await serviceOf(server, uuid)).toMatchObject({
      state: 'FINISHED',
      outcome: { cause: 'exit', exit_code: 4, reason: 'Stopped by root.' },
    });
  });

  test('what a program leaves behind is ended before the next start', async () => {
    const log = file('daemon');
    // Each start waits for the word of its own daemon, or the daemon might be ended before it has said anything.
    const script =
      'touch "$1"; had=$(wc -l <"$1"); (setsid sh -c \'echo $$ >>"$1"; exec sleep 100000\' d "$1" &); ' +
      'until [ "$(wc -l <"$1")" -gt "$had" ]; do sleep 0.01; done; exit 1';
    const uuid = await start(shell(script, log));
    await waitFor(() => linesOf(log).length >= 2, 'the second start');
    expect(alive(Number(linesOf(log)[0]))).toBeUndefined();
    await post(uuid, 'stop');
    expect(leftOf([uuid])).toEqual([]);
  });

  test('restart starts it anew at once, and begins a new row', async () => {
    const log = file('runs');
    const uuid = await start({ exec: program('forever'), argv: [log] });
    await waitFor(() => linesOf(log).length === 1, 'its start');
    const answer = await post(uuid, 'restart');
    expect(answer.status).toBe(200);
    const { job } = (await answer.json()) as { job: Awaited<ReturnType<typeof serviceOf>> };
    expect(job).toMatchObject({ state: 'RUNNING', attempt: 2 });
    expect(job.service).toMatchObject({
      health: 'ready',
      restarts: 1,
      in_a_row: 0,
      asked: null,
      last_end: { cause: 'signal', signal: 'SIGTERM', reason: 'Restarted by root.' },
    });
    await waitFor(() => linesOf(log).length === 2, 'its second start');
    expect(alive(Number(linesOf(log)[0]))).toBeUndefined();
    expect(alive(Number(linesOf(log)[1]))).toBeDefined();
    await post(uuid, 'stop');
  });

  test('in back-off: restart does not wait for it, stop ends it', async () => {
    const log = file('runs');
    const slow = { backoff: { initial: 1000, maximum: 1000 } };
    const uuid = await start(shell('echo run >>"$1"; exit 1', log), slow);
    await untilService(server, uuid, ({ health }) => health === 'waiting');
    expect((await serviceOf(server, uuid)).waiting).toBe('start 2 after exit code 1');
    expect((await post(uuid, 'restart')).status).toBe(200);
    await waitFor(() => linesOf(log).length === 2, 'the second start');
    await untilService(server, uuid, ({ health }) => health === 'waiting');
    const answer = await post(uuid, 'stop');
    expect(await answer.json()).toMatchObject({
      signalled: [],
      job: {
        state: 'FINISHED',
        waiting: null,
        outcome: { cause: 'exit', exit_code: 1, reason: 'Stopped by root.' },
      },
    });
  });

  test('cancel is for services, too', async () => {
    const uuid = await start({ exec: program('forever') });
    await untilService(server, uuid, ({ ready }) => ready);
    expect((await post(uuid, 'cancel')).status).toBe(200);
    expect(await serviceOf(server, uuid)).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'cancelled', reason: 'Cancelled by root.' },
    });
  });

  test('are refused for what is no service, and for what has ended', async () => {
    const plain = await submit(server, await server.register({ exec: 'true' }));
    const ended = await start({ exec: 'true' });
    await waitFor(async () => (await serviceOf(server, ended)).state === 'FINISHED', 'its end');
    for (const what of ['stop', 'restart']) {
      const refused = await post(plain, what);
      expect(refused.status).toBe(409);
      expect(await refused.json()).toMatchObject({ type: expect.stringContaining('not-a-service') });
      const late = await post(ended, what);
      expect(late.status).toBe(409);
      expect(await late.json()).toMatchObject({ type: expect.stringContaining('illegal-transition') });
    }
  });

  test("another user's service is not there", async () => {
    const uuid = await start({ exec: program('forever') });
    const eve = await server.addUser('eve');
    for (const what of ['stop', 'restart', 'cancel']) {
      const answer = await server.fetch(`/api/job/${uuid}/${what}/`, { method: 'POST', as: eve });
      expect(answer.status).toBe(404);
    }
    expect((await serviceOf(server, uuid)).state).toBe('RUNNING');
    await post(uuid, 'stop');
  });
});

describe('logs', () => {
  test('are cut while a program writes 50 MB, and lose nothing of the newest part', async () => {
    const script =
      'awk \'BEGIN { for (n = 1; n <= 5000000; n++) printf "%09d\\n", n }\'; echo end >&2; exec sleep 100000';
    const uuid = await start({ ...shell(script), limits: { log_size: '1MB' } });
    const log = path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, '1', 'stdout');
    await waitFor(
      async () => (await (await server.fetch(`/api/job/${uuid}/stderr/`)).text()) === 'end\n',
      'all to be written',
      60_000,
    );
    expect(statSync(log).size).toBe(50_000_000);
    await waitFor(async () => statSync(log).blocks * 512 < 1_100_000, 'the last cut');
    const text = await (await server.fetch(`/api/job/${uuid}/stdout/`)).text();
    const [note = '', ...lines] = text.trimEnd().split('\n');
    const left = Number(/^\[penstock: (\d+) bytes before this were left out\]$/.exec(note)?.[1]);
    expect(text.length).toBeLessThan(1_100_000);
    expect(text.length).toBeGreaterThan(500_000);
    // Every byte is either there or counted.
    expect(lines.map(Number)).toEqual(
      Array.from({ length: lines.length }, (_, k) => 5_000_000 - lines.length + 1 + k),
    );
    expect(left + lines.length * 10).toBe(50_000_000);
    const tail = await server.fetch(`/api/job/${uuid}/stdout/`, { headers: { Range: 'bytes=-20' } });
    expect(tail.status).toBe(206);
    expect(await tail.text()).toBe('004999999\n005000000\n');
    await post(uuid, 'stop');
    // What is left of it is its output.
    expect(await (await server.fetch(`/api/job/${uuid}/output/`)).text()).toBe(text);
    expect((await serviceOf(server, uuid)).output_size).toBe(text.length);
  });

  test('of earlier starts can be read; older ones are taken away', async () => {
    const uuid = await start(shell('echo "start $(basename "$(dirname "$PWD")")"; exit 1'), {
      restart_limit: 7,
    });
    await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to be given up');
    const get = (query: string) => server.fetch(`/api/job/${uuid}/stdout/${query}`);
    expect(await (await get('')).text()).toBe('start 8\n');
    expect(await (await get('?attempt=5')).text()).toBe('start 5\n');
    expect((await get('?attempt=3')).status).toBe(410);
    expect((await get('?attempt=9')).status).toBe(404);
    expect((await get('?attempt=0')).status).toBe(400);
    const folder = path.join(server.data, 'jobs', uuid.slice(3, 5), uuid);
    expect(readdirSync(folder).sort()).toEqual(['4', '5', '6', '7', '8']);
    expect(existsSync(path.join(folder, '8', 'command'))).toBe(false);
  });

  test('are followed over restarts, to the end', async () => {
    const gate = file('gate');
    const script =
      'until [ -e "$1" ]; do sleep 0.02; done; echo "run $(basename "$(dirname "$PWD")")"; exit 1';
    const uuid = await start(shell(script, gate), { restart_limit: 3 });
    const answer = await server.fetch(`/api/job/${uuid}/stdout/?follow=1`);
    spawn('touch', [gate]);
    const text = await answer.text();
    const data = [...text.matchAll(/^data: (run .*)$/gm)].map(([, line]) => line);
    expect(data).toEqual(['run 1', 'run 2', 'run 3', 'run 4']);
    expect([...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id)).toEqual(['6', '2.6', '3.6', '4.6', '4.6']);
    expect(text).toContain('event: end');
    const again = await server.fetch(`/api/job/${uuid}/stdout/?follow=1`, {
      headers: { 'Last-Event-ID': '3.6' },
    });
    expect([...(await again.text()).matchAll(/^data: (run .*)$/gm)].map(([, line]) => line)).toEqual([
      'run 4',
    ]);
  });

  test('are followed over cuts: in order, and what is left out is told', async () => {
    const script = 'awk \'BEGIN { for (n = 1; n <= 1000000; n++) printf "%09d\\n", n }\'';
    const uuid = await start({ ...shell(script), limits: { log_size: '100KB' } });
    const answer = await server.fetch(`/api/job/${uuid}/stdout/?follow=1`);
    const text = await answer.text();
    expect(text).not.toContain('\0');
    const numbers = [...text.matchAll(/^data: (\d{9})$/gm)].map(([, line]) => Number(line));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(numbers.at(-1)).toBe(1_000_000);
  });
});

test('a service is told by /healthz and /metrics, found by a filter, and waited for until it is ready', async () => {
  const definition = await server.register({
    ...shell('sleep 0.3; echo up; exec sleep 100000'),
    process_type: 'service',
    service: { ready: { line: 'up' } },
  });
  const answer = await server.fetch(`/api/process_definition/${definition}/run/?wait=30`, { method: 'POST' });
  expect(answer.status).toBe(200);
  const job = (await answer.json()) as Awaited<ReturnType<typeof serviceOf>>;
  expect(job).toMatchObject({ state: 'RUNNING', service: { ready: true, health: 'ready' } });
  const health = (await (await server.fetch('/healthz')).json()) as {
    services: { ready: number };
  };
  expect(health).toMatchObject({ services: { ready: expect.any(Number), waiting: 0 }, jobs_running: 0 });
  expect(health.services.ready).toBeGreaterThanOrEqual(1);
  expect(await (await server.fetch('/metrics')).text()).toMatch(
    /^penstock_services\{health="ready"\} [1-9]/m,
  );
  const found = await server.fetch('/api/job/?service__isnull=false&state=RUNNING');
  const { objects } = (await found.json()) as { objects: { uuid: string }[] };
  expect(objects.map(({ uuid }) => uuid)).toContain(job.uuid);
  const early = await server.fetch(`/api/process_definition/${definition}/run/?wait=0.01`, {
    method: 'POST',
  });
  expect(early.status).toBe(202);
  const raw = await server.fetch(`/api/process_definition/${definition}/run/?wait=1&output=raw`, {
    method: 'POST',
  });
  expect(raw.status).toBe(400);
  for (const { uuid } of [job, (await early.json()) as { uuid: string }]) await post(uuid, 'stop');
});

test('what would run is told, and not started', async () => {
  const id = await server.register({ exec: program('forever'), process_type: 'service' });
  const answer = await server.fetch(`/api/process_definition/${id}/run/?dry_run=1`, { method: 'POST' });
  expect(await answer.json()).toMatchObject({ exec: program('forever'), limits: { log_size: 10_000_000 } });
});

test('who asks at the same time gets the same answer, and the first is heard', async () => {
  const uuid = await start({ exec: program('ignores-sigterm'), kill_grace: 0.3 });
  await untilService(server, uuid, ({ ready }) => ready);
  const answers = await Promise.all([post(uuid, 'stop'), post(uuid, 'cancel'), post(uuid, 'stop')]);
  const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as {
    signalled: unknown[];
    job: { state: string };
  }[];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(new Set(bodies.map(({ job }) => job.state)).size).toBe(1);
  for (const { signalled } of bodies) expect(signalled.length).toBeGreaterThan(0);
  expect(await endsOf(server, uuid)).toHaveLength(1);
});

test('its input is fed to each start anew', async () => {
  const log = file('inputs');
  const id = await server.register({
    ...shell('cat >>"$1"; exit 1', log),
    process_type: 'service',
    service: { ...quick, restart_limit: 2 },
  });
  const uuid = await submit(server, id, 'some input\n');
  await waitFor(async () => (await serviceOf(server, uuid)).state === 'FAILED', 'it to be given up');
  expect(readFileSync(log, 'utf8')).toBe('some input\n'.repeat(3));
});
