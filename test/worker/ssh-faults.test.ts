import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { historyOf, jobOf, leftOf, submit } from '../support/jobs.js';
import { entryOf, fileOn, foldersOn, sshFile } from '../support/machines.js';
import { atPace } from '../support/pace.js';
import { linesOf, program } from '../support/programs.js';
import { startServer, type TestServer } from '../support/server.js';
import { type Machine, noSshd, startMachine } from '../support/sshd.js';
import { waitFor } from '../support/wait-for.js';

const name = 'faults of machines, through the server';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  let machine: Machine;
  let server: TestServer;
  let machines: object[];
  let log: string;
  beforeAll(async () => {
    machine = await startMachine({ disk: 160 * 2 ** 20 });
    machines = [entryOf('fiji', machine), entryOf('stranger', machine, { AUTH_USER: 'nobody-here' })];
  });
  afterAll(() => machine.remove());
  beforeEach(async () => {
    server = await startServer({
      application: { LOG_LEVEL: 'warn' },
      config: { 'ssh.yaml': sshFile(machines) },
    });
    log = path.join(server.data, 'shared-log');
  });
  afterEach(async () => {
    // Whatever failed shall not fail the next.
    await machine.restore();
    rmSync(path.join(machine.base, 'filler'), { force: true });
    await server.remove();
  });

  /** A program of a shell, which is told of the log as `$1`. */
  const sh = (script: string, more: object = {}) =>
    server.register({
      exec: '/bin/sh',
      argv: ['-c', script, 'sh', log],
      executor: 'ssh',
      host: 'fiji',
      ...more,
    });
  const runs = (count = 1) => waitFor(() => linesOf(log).length === count, `run ${count}`);
  const output = async (uuid: string) => (await server.fetch(`/api/job/${uuid}/output/`)).text();
  /** Why it waits, once that is not for its turn. */
  const told = (uuid: string) =>
    waitFor(async () => {
      const { waiting } = await jobOf(server, uuid);
      return waiting === 'its turn' ? null : waiting;
    }, 'word of the trouble');
  /** It ended as it should, ran once, and nothing of it is left on the machine. */
  async function well(uuid: string, text: string, attempt = 1): Promise<void> {
    const done = { state: 'FINISHED', attempt, waiting: null, outcome: { cause: 'exit', exit_code: 0 } };
    expect(await jobOf(server, uuid, 60)).toMatchObject(done);
    expect(await output(uuid)).toBe(text);
    expect(linesOf(log)).toHaveLength(1);
    await nothingLeft(uuid);
  }
  async function failed(uuid: string, cause: string, reason: string): Promise<void> {
    const outcome = { cause, reason: expect.stringContaining(reason) };
    expect(await jobOf(server, uuid, 60)).toMatchObject({ state: 'FAILED', waiting: null, outcome });
  }
  async function nothingLeft(uuid: string): Promise<void> {
    await waitFor(() => !foldersOn(machine).has(uuid), 'its folder there to be removed');
    expect(leftOf([uuid])).toEqual([]);
  }
  /** What a program does that shall go on until the trouble was seen: a time of its own may be over before that. */
  const untilTold = 'until [ -e "$1.told" ]; do sleep 0.05; done';
  const tell = () => writeFileSync(`${log}.told`, '');
  const tick = 'echo x >>"$1"; for n in 1 2 3; do echo $n; sleep 0.5; done';

  test('a link that is cut while it runs: the job says why nothing is heard of it, and goes on', async () => {
    const uuid = await submit(server, await sh(`echo x >>"$1"; ${untilTold}; echo done`));
    await runs();
    machine.cut();
    expect(await told(uuid)).toContain(`root@${machine.address}`);
    expect((await jobOf(server, uuid)).state).toBe('RUNNING');
    machine.mend();
    tell();
    await well(uuid, 'done\n');
    const waits = (await historyOf(server, uuid)).filter(({ name }) => name === 'resource');
    expect(waits.at(-1)?.data).toEqual({ waiting: null });
  });

  test('sshd is killed while it runs, and started again', async () => {
    const uuid = await submit(server, await sh(`echo x >>"$1"; ${untilTold}; echo done`));
    await runs();
    await machine.killSshd();
    await told(uuid);
    await machine.startSshd();
    tell();
    await well(uuid, 'done\n');
  });

  test('our server is killed while the input is on its way', async () => {
    const id = await sh('echo x >>"$1"; wc -c');
    const size = 60_000_000;
    const uuid = await submit(server, id, new Uint8Array(size));
    await waitFor(() => fileOn(machine, uuid, '.stdin.part'), 'the input to be on its way');
    await server.kill();
    await server.restart();
    await well(uuid, `${size}\n`, 2);
  });

  test('our server is killed at the moment of a start', async () => {
    const id = await sh('echo $PENSTOCK_JOB_UUID >>"$1"; sleep 0.3; echo done');
    for (const file of ['stdin', 'command', 'status', 'runner', 'stdout']) {
      rmSync(log, { force: true });
      const uuid = await submit(server, id, 'input');
      await waitFor(() => fileOn(machine, uuid, file), file);
      await server.kill();
      await server.restart();
      const job = await jobOf(server, uuid, 60);
      expect(job).toMatchObject({ state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } });
      expect(await output(uuid)).toBe('done\n');
      expect(linesOf(log)).toEqual([uuid]);
      await nothingLeft(uuid);
    }
  });

  test('our server is killed while it runs', async () => {
    const uuid = await submit(server, await sh(tick));
    await runs();
    await server.kill();
    await server.restart();
    await well(uuid, '1\n2\n3\n');
  });

  test('our server is killed after the end, before anything was fetched', async () => {
    const uuid = await submit(
      server,
      await sh('echo x >>"$1"; sleep 0.5; echo done; head -c 30000000 /dev/zero'),
    );
    await runs();
    process.kill(server.pid, 'SIGSTOP');
    const status = await waitFor(() => fileOn(machine, uuid, 'status'), 'its status');
    await waitFor(() => /^exit/m.test(readFileSync(status, 'utf8')), 'its end');
    await server.kill();
    await server.restart();
    await well(uuid, `done\n${'\0'.repeat(30_000_000)}`);
  });

  test('our server is killed, and the link is cut until after its next start', async () => {
    const uuid = await submit(server, await sh(`echo x >>"$1"; ${untilTold}; echo done`));
    await runs();
    machine.cut();
    await server.kill();
    await server.restart();
    expect(await told(uuid)).toContain(`root@${machine.address}`);
    machine.mend();
    tell();
    await well(uuid, 'done\n');
  });

  test('the next start is not held up by a machine that does not answer', async () => {
    const id = await sh('echo x >>"$1"; wc -c');
    machine.freeze();
    const uuids = await Promise.all([1, 2, 3, 4].map(() => submit(server, id, 'input')));
    // As a server leaves them that was killed while it was starting them.
    const begun = (uuid: string) => path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, '1', 'place');
    await waitFor(() => uuids.every((uuid) => linesOfPlace(begun(uuid))), 'them to be begun');
    await server.kill();
    const from = Date.now();
    await server.restart();
    // A second is for asking; a machine as busy as those of tests needs some for the rest.
    expect(Date.now() - from).toBeLessThan(atPace(6000));
    machine.thaw();
    for (const uuid of uuids) expect(await jobOf(server, uuid, 60)).toMatchObject({ state: 'FINISHED' });
    expect(linesOf(log)).toHaveLength(4);
  });
  const linesOfPlace = (file: string): boolean => {
    try {
      return readFileSync(file, 'utf8').endsWith('}');
    } catch {
      return false;
    }
  };

  test('a machine without room: before the start, and while it runs', async () => {
    const filler = path.join(machine.base, 'filler');
    const fill = () => {
      try {
        writeFileSync(filler, Buffer.alloc(200 * 2 ** 20));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' });
      }
    };
    try {
      fill();
      const early = await submit(server, await sh('echo x >>"$1"'));
      expect(await told(early)).toMatch(/^attempt 2 after platform: .*(room|space)/);
      await failed(early, 'platform', 'fiji');
      expect(linesOf(log)).toEqual([]);
      rmSync(filler);
      const late = await submit(
        server,
        await sh('echo x >>"$1"; while [ ! -e "$1.full" ]; do sleep 0.05; done; head -c 1000000 /dev/zero'),
      );
      await runs();
      fill();
      writeFileSync(`${log}.full`, '');
      await failed(late, 'platform', 'fiji');
      // It is the machine's failure; but the program has run, and is not run again for that.
      const { attempt } = await jobOf(server, late);
      expect(attempt).toBe(1);
      expect(linesOf(log)).toHaveLength(1);
    } finally {
      rmSync(filler, { force: true });
    }
  });

  test('a wrong user, and a machine that never answers', async () => {
    const wrong = await submit(server, await sh('echo x >>"$1"', { host: 'stranger' }));
    await failed(wrong, 'platform', 'rejected the login');
    machine.freeze();
    try {
      const silent = await submit(server, await sh('echo x >>"$1"'));
      expect(await told(silent)).toBe(
        `attempt 2 after platform: root@${machine.address} did not answer within 2 s.`,
      );
      await failed(silent, 'platform', 'did not answer within 2 s');
      expect((await jobOf(server, silent)).attempt).toBe(3);
    } finally {
      machine.thaw();
    }
    expect(linesOf(log)).toEqual([]);
  });

  test('a machine that shows another key, until its old one is forgotten', async () => {
    const id = await sh('echo x >>"$1"; echo done');
    await well(await submit(server, id), 'done\n');
    rmSync(log);
    await machine.changeHostKey();
    const refused = await submit(server, id);
    const host = `${machine.address}:22`;
    await failed(refused, 'platform', `penstock host-key remove ${host}`);
    expect(linesOf(log)).toEqual([]);
    expect((await server.fetch(`/api/host_key/${host}/`, { method: 'DELETE' })).status).toBe(204);
    await well(await submit(server, id), 'done\n');
  });

  test('a machine that is away for longer than LOST_AFTER, which is read anew', async () => {
    const uuid = await submit(server, await sh('echo x >>"$1"; sleep 1000'));
    await runs();
    machine.cut();
    await told(uuid);
    writeFileSync(path.join(server.data, 'config/ssh.yaml'), stringify(sshFile(machines, { LOST_AFTER: 1 })));
    expect((await server.fetch('/config', { method: 'PUT' })).status).toBe(200);
    await failed(uuid, 'lost', `root@${machine.address}`);
    expect(leftOf([uuid])).not.toEqual([]);
    machine.mend();
    // The job has ended: what goes on over there ends as soon as we hear of the machine again.
    await nothingLeft(uuid);
  });

  test('what a crash kept from being cleared away goes when the machine is used again; what is of no job of ours stays', async () => {
    const id = await sh('echo x >>"$1"; until [ -e "$1.go" ]; do sleep 0.05; done');
    const ended = await submit(server, id);
    await runs();
    const folder = foldersOn(machine).get(ended) ?? '';
    writeFileSync(`${log}.go`, '');
    await well(ended, '');
    await server.kill();
    // As if we had been killed a moment before; another's job has the name of none of ours.
    const stranger = randomUUID();
    const strangers = path.join(path.dirname(folder), stranger, '1');
    for (const left of [path.join(folder, '1/work'), strangers]) mkdirSync(left, { recursive: true });
    const environment = { PENSTOCK_JOB_FOLDER: `${folder}/1/`, PATH: process.env.PATH };
    const running = spawn('sleep', ['1000'], { env: environment, stdio: 'ignore' });
    const over = once(running, 'exit');
    await server.restart();
    await jobOf(server, await submit(server, id), 60);
    await over;
    await waitFor(() => !foldersOn(machine).has(ended), 'what was left to go');
    expect(existsSync(strangers)).toBe(true);
  });

  test('a cancel ends what runs there, also when the link was cut meanwhile', async () => {
    const id = await server.register({
      exec: program('double-fork'),
      argv: [log],
      executor: 'ssh',
      host: 'fiji',
      kill_grace: 1,
    });
    const uuid = await submit(server, id);
    await runs();
    machine.cut();
    await told(uuid);
    const cancelled = server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
    machine.mend();
    const receipt = (await (await cancelled).json()) as { signalled: unknown[]; survivors: unknown[] };
    expect(receipt.signalled.length).toBeGreaterThan(1);
    expect(receipt.survivors).toEqual([]);
    expect(await jobOf(server, uuid)).toMatchObject({ outcome: { cause: 'cancelled' } });
    await nothingLeft(uuid);
  });

  test('a cancel of what is still on its way there sends no more', async () => {
    const uuid = await submit(server, await sh('echo x >>"$1"'), new Uint8Array(120_000_000));
    await waitFor(() => fileOn(machine, uuid, '.stdin.part'), 'the input to be on its way');
    const answer = await server.fetch(`/api/job/${uuid}/cancel/`, { method: 'POST' });
    expect(await answer.json()).toMatchObject({ signalled: [], survivors: [] });
    expect(await jobOf(server, uuid)).toMatchObject({ outcome: { cause: 'cancelled' } });
    expect(linesOf(log)).toEqual([]);
    await nothingLeft(uuid);
  });
});
