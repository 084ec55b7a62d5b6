import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Executor, ExecutorFiles, Handle } from '../../../../src/drivers/executors/executor.js';
import { type RemoteOptions, remoteExecutor } from '../../../../src/drivers/executors/remote/remote.js';
import type { Host } from '../../../../src/drivers/hosts/host.js';
import { remoteFolder } from '../../../../src/drivers/hosts/scripts/remote-launch.js';
import { type SshOptions, sshHost } from '../../../../src/drivers/hosts/ssh/ssh.js';
import { listProcesses } from '../../../../src/drivers/processes/processes.js';
import { atPace } from '../../../support/pace.js';
import { alive, linesOf, program } from '../../../support/programs.js';
import { type Machine, noSshd, startMachine } from '../../../support/sshd.js';
import { waitFor } from '../../../support/wait-for.js';

const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };
/** A dead link is noticed within a second: these tests have many. */
const quick = { connect: 2000, keepAlive: 200, unanswered: 2 };
const exited = (code: number) => ({ cause: 'exit', exit_code: code, signal: null, reason: null });

describe.skipIf(noSshd !== null)(noSshd === null ? 'faults' : `faults (skipped: ${noSshd})`, () => {
  const instance = `faults-${randomBytes(4).toString('hex')}`;
  let machine: Machine;
  let root: string;
  let host: Host;
  let executor: Executor;
  let told: (string | null)[];
  let count = 0;
  const hosts: Host[] = [];
  beforeAll(async () => {
    machine = await startMachine({ disk: 96 * 2 ** 20 });
  });
  afterAll(() => machine.remove());
  beforeEach(() => {
    root = mkdtempSync(path.join(os.tmpdir(), 'penstock-faults-'));
    told = [];
    host = open();
    executor = make();
  });
  afterEach(async () => {
    await executor.close();
    for (const each of hosts.splice(0)) await each.close();
    rmSync(root, { recursive: true, force: true });
  });
  function open(more: Partial<SshOptions> = {}): Host {
    const made = sshHost({ ...machine.login, times: quick, ...more });
    hosts.push(made);
    return made;
  }
  const make = (more: Partial<RemoteOptions> = {}) =>
    remoteExecutor({
      instance,
      hostOf: () => host,
      trouble: (_handle, problem) => told.push(problem),
      ...more,
    });

  function prepare(exec: string, argv: string[] = [], more: Partial<ExecutorFiles> = {}) {
    count += 1;
    const folder = path.join(root, `${count}`, '1');
    mkdirSync(folder, { recursive: true });
    const uuid = `2070000${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`;
    const there = remoteFolder(machine.base, instance, uuid, '1');
    const work = `${there}/work`;
    const command = {
      ...{
        uuid,
        exec: exec.includes('/') ? exec : program(exec),
        argv,
        user: null,
        killGrace: 1,
        limits: none,
      },
      ...{ environment: { PATH: '/usr/bin:/bin', HOME: work, SECRET: 'value of a variable' }, cwd: work },
    };
    const [stdout, stderr] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [string, string];
    const files: ExecutorFiles = {
      ...{ folder, stdin: null, stdout, stderr, companions: [], place: { host: 'machine', folder: there } },
      ...more,
    };
    return { command, files, stdout, stderr, there };
  }
  const log = () => path.join(root, 'log');
  const sh = (script: string, more?: Partial<ExecutorFiles>) =>
    prepare('/bin/sh', ['-c', script, 'sh', log()], more);
  const running = () => waitFor(() => linesOf(log())[0], 'the program to run');
  const read = (file: string) => readFileSync(file, 'utf8');

  test('input and files go there, output and folders come back, and nothing is left', async () => {
    const input = path.join(root, 'input');
    const sent = path.join(root, 'sent');
    writeFileSync(input, 'to standard input\n');
    writeFileSync(sent, 'sent\n', { mode: 0o640 });
    const job = prepare(
      '/bin/sh',
      [
        '-c',
        'cat; cat in/sent; mkdir -p out/deep; echo 1 >out/a; echo 2 >"out/deep/b c"; sleep 0.5; echo $SECRET',
      ],
      {
        stdin: input,
      },
    );
    const files = {
      ...job.files,
      send: [{ from: sent, to: `${job.there}/work/in/sent` }],
      fetch: ['out', 'no such', 'in/sent'].map((name) => ({
        from: `${job.there}/work/${name}`,
        to: path.join(root, 'back', name),
      })),
    };
    const handle = await executor.start(job.command, files);
    const words = listProcesses().map(({ pid }) => {
      try {
        return read(`/proc/${pid}/cmdline`);
      } catch {
        return '';
      }
    });
    expect(words.some((line) => line.includes('penstock-runner'))).toBe(true);
    expect(words.filter((line) => line.includes('value of a variable'))).toEqual([]);
    expect(statSync(`${job.there}/command`).mode & 0o777).toBe(0o600);
    expect(await executor.wait(handle)).toEqual(exited(0));
    expect(read(job.stdout)).toBe('to standard input\nsent\nvalue of a variable\n');
    expect(read(path.join(root, 'back/out/a'))).toBe('1\n');
    expect(read(path.join(root, 'back/out/deep/b c'))).toBe('2\n');
    expect(read(path.join(root, 'back/in/sent'))).toBe('sent\n');
    expect(existsSync(path.join(root, 'back/no such'))).toBe(false);
    await waitFor(() => !existsSync(path.dirname(job.there)), 'its folder there to be removed');
  });

  test('a link that is cut in the middle of a run loses nothing, and says so meanwhile', async () => {
    const job = sh('for n in 1 2 3 4; do echo $n; echo $n >>"$1"; sleep 0.5; done; exit 3');
    const handle = await executor.start(job.command, job.files);
    const ended = executor.wait(handle);
    await running();
    machine.cut();
    await waitFor(() => told.length > 0, 'word of the trouble');
    await waitFor(() => linesOf(log()).length === 4, 'the program to go on');
    machine.mend();
    expect(await ended).toEqual(exited(3));
    expect(read(job.stdout)).toBe('1\n2\n3\n4\n');
    expect(told[0]).toContain('root@10.');
    expect(told.at(-1)).toBeNull();
  });

  test('30 s without a link, with the times that people have', async () => {
    host = open({ times: {} });
    const job = sh('echo x >>"$1"; sleep 20; echo done');
    const handle = await executor.start(job.command, job.files);
    const ended = executor.wait(handle);
    await running();
    machine.cut();
    const from = Date.now();
    await waitFor(() => told.length > 0, 'word of the trouble');
    expect(Date.now() - from).toBeLessThan(atPace(20_000));
    await waitFor(() => Date.now() - from > 30_000, '30 s', 40_000);
    machine.mend();
    expect(await ended).toEqual(exited(0));
    expect(read(job.stdout)).toBe('done\n');
    expect(linesOf(log())).toHaveLength(1);
  });

  test('sshd is killed and started again', async () => {
    const job = sh('echo x >>"$1"; sleep 1; echo done');
    const handle = await executor.start(job.command, job.files);
    const ended = executor.wait(handle);
    await running();
    await machine.killSshd();
    await waitFor(() => told.length > 0, 'word of the trouble');
    await machine.startSshd();
    expect(await ended).toEqual(exited(0));
    expect(read(job.stdout)).toBe('done\n');
  });

  test('a restart of ours goes on with the stored handle, and without one', async () => {
    const jobs = [1, 2].map(() => sh('echo x >>"$1"; sleep 2; echo done'));
    const handles: Handle[] = [];
    for (const { command, files } of jobs) handles.push(await executor.start(command, files));
    await waitFor(() => linesOf(log()).length === 2, 'both to run');
    await executor.close();
    await host.close();
    host = open();
    const later = make();
    const stored = JSON.parse(JSON.stringify(handles[0])) as Handle;
    const found = await Promise.all(
      jobs.map(({ command, files }, index) =>
        later.recover(command.uuid, files.folder, index === 0 ? stored : null),
      ),
    );
    expect(found).toEqual(handles);
    for (const [index, { stdout }] of jobs.entries()) {
      expect(await later.wait(found[index] as Handle)).toEqual(exited(0));
      expect(read(stdout)).toBe('done\n');
    }
    expect(linesOf(log())).toHaveLength(2);
    await later.close();
  });

  test('a link that is cut in the middle of a start starts it once', async () => {
    for (const after of [0, 1, 2, 4, 8, 16]) {
      const job = sh('echo x >>"$1"; sleep 0.2');
      rmSync(log(), { force: true });
      await host.run(':');
      const started = executor.start(job.command, job.files);
      const cut = Date.now() + after;
      await waitFor(() => Date.now() >= cut, 'the moment');
      machine.cut();
      await waitFor(
        () =>
          host.run(':', { timeout: 300 }).then(
            () => false,
            () => true,
          ),
        'the loss',
      );
      machine.mend();
      const outcome = await started.then((handle) => executor.wait(handle));
      expect(outcome).toEqual(exited(0));
      expect(linesOf(log())).toHaveLength(1);
    }
  });

  test('a link that is cut while it is cancelled', async () => {
    const job = prepare('dies-first', [log()]);
    const handle = await executor.start(job.command, job.files);
    const pid = Number(await running());
    const cancelled = executor.cancel(handle, 1);
    await waitFor(() => linesOf(log()).length > 0, 'the cancel to begin');
    machine.cut();
    await waitFor(() => told.length > 0, 'word of the trouble');
    machine.mend();
    const receipt = await cancelled;
    expect(receipt.survivors).toEqual([]);
    expect(alive(pid)).toBeUndefined();
    expect((await executor.wait(handle)).cause).toBe('signal');
  });

  test('a runner that was killed is lost, and its program ended', async () => {
    const job = prepare('forever', [log()]);
    const handle = await executor.start(job.command, job.files);
    const pid = Number(await running());
    process.kill((handle.runner as { pid: number }).pid, 'SIGKILL');
    const outcome = await executor.wait(handle);
    expect(outcome).toMatchObject({
      cause: 'lost',
      reason: expect.stringContaining('shell that supervised it'),
    });
    expect(alive(pid)).toBeUndefined();
  });

  test('a run of another boot of the machine is lost', async () => {
    const job = sh('echo x >>"$1"; sleep 3');
    const handle = await executor.start(job.command, job.files);
    await executor.close();
    const runner = { ...(handle.runner as object), boot_id: 'an-earlier-one' };
    const later = make();
    const outcome = await later.wait({ ...handle, runner });
    expect(outcome).toMatchObject({ cause: 'lost', reason: expect.stringContaining('was restarted') });
    await later.close();
  });

  test('a machine that is away for longer than we wait', async () => {
    const impatient = make({ patience: () => 1 });
    const job = sh('sleep 2');
    const handle = await impatient.start(job.command, job.files);
    machine.cut();
    const outcome = await impatient.wait(handle);
    machine.mend();
    expect(outcome).toMatchObject({ cause: 'lost', reason: expect.stringContaining('root@10.') });
    await impatient.close();
  });

  test('a disk without room there: before the start, and while it runs', async () => {
    const filler = path.join(machine.base, 'filler');
    const fill = () => host.run('cat /dev/zero >"$1"', { args: [filler] });
    try {
      await fill();
      const early = sh('echo x >>"$1"');
      await expect(executor.start(early.command, early.files)).rejects.toMatchObject({ problem: 'full' });
      rmSync(filler);
      const late = sh(
        'echo x >>"$1"; while [ ! -e "$1.full" ]; do sleep 0.05; done; head -c 1000000 /dev/zero',
      );
      const handle = await executor.start(late.command, late.files);
      await running();
      await fill();
      closeSync(openSync(`${log()}.full`, 'w'));
      expect(await executor.wait(handle)).toMatchObject({
        cause: 'platform',
        reason: expect.stringContaining('is full'),
      });
      expect(linesOf(log())).toHaveLength(1);
    } finally {
      rmSync(filler, { force: true });
    }
  });

  test('a wrong user, a wrong host key, and a machine that never answers end a start with the reason', async () => {
    const start = async (more: Partial<SshOptions>) => {
      host = open(more);
      const job = sh('echo x >>"$1"');
      return executor.start(job.command, job.files);
    };
    await expect(start({ user: 'nobody-here' })).rejects.toMatchObject({ problem: 'refused' });
    const other = `SHA256:${'A'.repeat(43)}`;
    await expect(start({ hostKey: other })).rejects.toMatchObject({ problem: 'host-key' });
    machine.freeze();
    await expect(start({})).rejects.toMatchObject({ problem: 'unreachable' });
    machine.thaw();
    expect(linesOf(log())).toEqual([]);
  });

  test('a large log is followed, and not held in memory', async () => {
    const job = sh('echo begun; sleep 0.5; head -c 64000000 /dev/zero; echo x >>"$1"');
    const handle = await executor.start(job.command, job.files);
    const ended = executor.wait(handle);
    await waitFor(() => existsSync(job.stdout) && read(job.stdout) === 'begun\n', 'its first words');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held = () => {
      collect();
      return process.memoryUsage().arrayBuffers;
    };
    const before = held();
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, held() - before);
    }, 20);
    expect(await ended).toEqual(exited(0));
    clearInterval(watching);
    expect(most).toBeLessThan(24 * 2 ** 20);
    expect(statSync(job.stdout).size).toBe(64_000_006);
  });

  test('100 at once over one connection', async () => {
    const jobs = Array.from({ length: 100 }, () => sh('echo x >>"$1"; echo done'));
    const outcomes = await Promise.all(
      jobs.map(async ({ command, files }) => executor.wait(await executor.start(command, files))),
    );
    expect(outcomes).toEqual(jobs.map(() => exited(0)));
    expect(linesOf(log())).toHaveLength(100);
    for (const { stdout } of jobs) expect(read(stdout)).toBe('done\n');
  });
});
