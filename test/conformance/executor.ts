import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../src/domain/jobs/outcome.js';
import type {
  Executor,
  ExecutorCommand,
  ExecutorFiles,
  Handle,
} from '../../src/drivers/executors/executor.js';
import { makePipes } from '../../src/drivers/processes/pipes.js';
import { readProcess } from '../../src/drivers/processes/processes.js';
import { alive, linesOf, naming, program } from '../support/programs.js';
import { waitFor } from '../support/wait-for.js';

/** What a driver's tests bring: executors that share one place, as one of before a restart and one of after it. */
interface ExecutorStage {
  make(): Executor;
  /** Limits that this machine can keep. */
  keeps: { memory: boolean; processes: boolean };
  /** True if a process without any mark can still be told: a control group holds it, or the runner is given it. */
  tracks: boolean;
  /** True if a stream may be a named pipe, which joins two programs. */
  joins: boolean;
  /** The machine and the folder there of a run, if it is not this machine's. */
  place?: (uuid: string) => ExecutorFiles['place'];
  close(): void;
}

const untracked = 'a process without a mark is found only where a control group or the runner holds it';
const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };
const nasty = [
  '',
  ' ',
  '-n',
  '--',
  "it's",
  '"quoted"',
  'two\nlines\n',
  '$HOME ${HOME} $(id) `id`',
  '\\n \\\\ \\',
  '*?[a]~',
  '!! # ; & | < > ( ) { }',
  '\t\u0001\u007f',
  'naïve – 日本語 – 🚰',
  // Every continuation byte of UTF-8: some shells use bytes of that range for themselves.
  Array.from({ length: 64 }, (_, n) => String.fromCharCode(0x80 + n)).join(''),
  'x'.repeat(100_000),
];

/** What every executor must do, against real programs. */
export function executorConformance(name: string, open: () => ExecutorStage): void {
  describe(`executor ${name}`, () => {
    const stage = open();
    let executor: Executor;
    let real: string;
    let root: string;
    let count = 0;

    beforeEach(() => {
      executor = stage.make();
      // Behind a symbolic link, as data folders often are.
      real = mkdtempSync(path.join(os.tmpdir(), 'penstock-executor-'));
      root = `${real}-link`;
      symlinkSync(real, root);
    });
    afterEach(async () => {
      await executor.close();
      rmSync(root);
      rmSync(real, { recursive: true, force: true });
    });
    afterAll(() => stage.close());

    function prepare(exec: string, argv: string[] = [], more: Partial<ExecutorCommand> = {}) {
      count += 1;
      const folder = path.join(root, `${count}`, '1');
      const work = path.join(folder, 'work');
      mkdirSync(work, { recursive: true });
      const command: ExecutorCommand = {
        uuid: `1070000${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`,
        exec: exec.includes('/') ? exec : program(exec),
        argv,
        environment: { PATH: process.env.PATH ?? '', HOME: work },
        cwd: work,
        user: null,
        killGrace: 1,
        ...more,
        limits: { ...none, ...more.limits },
      };
      const stdout = path.join(folder, 'stdout');
      const stderr = path.join(folder, 'stderr');
      const place = stage.place?.(command.uuid);
      const files: ExecutorFiles = {
        ...{ folder, stdin: null, stdout, stderr, companions: [] },
        ...(place === undefined ? {} : { place }),
      };
      return { command, files, stdout, stderr, work };
    }
    async function run(...given: Parameters<typeof prepare>) {
      const job = prepare(...given);
      const outcome = await executor.wait(await executor.start(job.command, job.files));
      return { ...job, outcome, out: readFileSync(job.stdout, 'utf8') };
    }
    /** What is still to be said of a receipt where all is over. */
    const proof = stage.tracks ? null : expect.stringContaining('not found');
    const exited = (code: number) =>
      expect.objectContaining({ cause: 'exit', exit_code: code, signal: null });

    test('tells every exit code', async () => {
      const codes = Array.from({ length: 256 }, (_, code) => code);
      const outcomes: Outcome[] = [];
      for (let from = 0; from < codes.length; from += 32) {
        const part = codes.slice(from, from + 32).map((code) => run('exit-code', [String(code)]));
        outcomes.push(...(await Promise.all(part)).map(({ outcome }) => outcome));
      }
      expect(outcomes).toEqual(codes.map(exited));
    });

    test.each([
      'ILL',
      'ABRT',
      'BUS',
      'FPE',
      'KILL',
      'USR1',
      'SEGV',
      'ALRM',
      'XCPU',
    ])('tells the signal %s from an exit code', async (signal) => {
      const { outcome } = await run('killed-by', [signal]);
      expect(outcome).toMatchObject({ cause: 'signal', exit_code: null, signal: `SIG${signal}` });
    });

    test.each([
      'HUP',
      'INT',
      'QUIT',
      'PIPE',
      'TERM',
    ])('says so where %s can be an exit code, too', async (signal) => {
      const { outcome } = await run('killed-by', [signal]);
      if (outcome.cause === 'signal') expect(outcome.signal).toBe(`SIG${signal}`);
      else expect(outcome.reason).toContain(`SIG${signal}`);
    });

    test('hands over arguments and variables as they are', async () => {
      const echo = await run(process.execPath, [program('echo-argv.mjs'), ...nasty]);
      expect(JSON.parse(echo.out)).toEqual(nasty);
      const values = Object.fromEntries(nasty.map((text, index) => [`V${index}`, text]));
      const special = {
        IFS: ':',
        OPTIND: 'abc',
        UID: '7',
        PPID: 'x',
        RANDOM: '4',
        PS4: '$(id)',
        LC_ALL: 'xx',
      };
      const wanted = { PATH: '/usr/bin:/bin', HOME: '/nowhere', ...values, ...special };
      const { out, command } = await run('/usr/bin/env', ['-0'], { environment: wanted });
      const entries = out
        .split('\0')
        .slice(0, -1)
        .map((entry) => entry.split(/=(.*)/s).slice(0, 2));
      const found = Object.fromEntries(entries) as Record<string, string>;
      const { PENSTOCK_JOB_UUID, PENSTOCK_INSTANCE, PENSTOCK_JOB_FOLDER: _folder, _, ...others } = found;
      expect(PENSTOCK_JOB_UUID).toBe(command.uuid);
      expect(PENSTOCK_INSTANCE).toBeTypeOf('string');
      expect(others).toEqual(wanted);
    });

    test('gives a program its streams, folder, and nothing else', async () => {
      const noisy = await run('noisy');
      expect(noisy.out).toBe('to standard output\n');
      expect(readFileSync(noisy.stderr, 'utf8')).toBe('to standard error\n');
      const { out, work } = await run('bare-status');
      const [blocked, ignored, ...rest] = out.trimEnd().split('\n');
      expect([blocked, ignored]).toEqual(['SigBlk:\t0000000000000000', 'SigIgn:\t0000000000000000']);
      expect(rest.at(-2)).toBe(realpathSync(work));
      expect(rest.at(-1)).not.toBe(String(readProcess(process.pid)?.session));
      // 0, 1, 2, and the one with which ls reads the folder; whoever started the tests may have left more open.
      const open = rest.slice(1, -2).map((line) => Number(/(\d+) ->/.exec(line)?.[1]));
      expect(open.filter((number) => number < 16)).toEqual([0, 1, 2, 3]);
    });

    test('refuses a program that is not there, or is none', async () => {
      for (const exec of ['/no/such/program', '/tmp', path.join(root, 'plain')]) {
        const { command, files } = prepare(exec);
        await expect(executor.start(command, files)).rejects.toMatchObject({ code: 'not-found' });
      }
    });

    test('an input that cannot be opened is no exit code of the program', async () => {
      const { command, files } = prepare('noisy');
      const handle = await executor.start(command, { ...files, stdin: path.join(root, 'missing') });
      expect(await executor.wait(handle)).toMatchObject({ cause: 'platform', exit_code: null });
    });

    test('runs once what is started twice', async () => {
      const log = path.join(root, 'log');
      const { command, files, stdout } = prepare('appear', [log, '0.3']);
      const handles = await Promise.all([1, 2].map(() => executor.start(command, files)));
      handles.push(await executor.start(command, files));
      // No two servers ever have one folder at once: a later one finds what the earlier has begun.
      await waitFor(
        () => existsSync(path.join(files.place?.folder ?? files.folder, 'status')),
        'it to be claimed',
      );
      const again = stage.make();
      handles.push(await again.start(command, files));
      const outcomes = await Promise.all(
        handles.map((handle, index) => (index === 3 ? again : executor).wait(handle)),
      );
      expect(outcomes).toEqual(outcomes.map(() => exited(0)));
      expect(linesOf(log)).toHaveLength(1);
      expect(readFileSync(stdout, 'utf8')).toBe(command.uuid);
      await again.close();
    });

    test('another executor waits on the same handle, and finds a run without one', async () => {
      const log = path.join(root, 'log');
      const jobs = [prepare('appear', [log, '0.5']), prepare('appear', [log, '0.5'])];
      const handles: Handle[] = [];
      for (const { command, files } of jobs) handles.push(await executor.start(command, files));
      await waitFor(() => linesOf(log).length === 2, 'both to run');
      const later = stage.make();
      const stored = JSON.parse(JSON.stringify(handles[0])) as Handle;
      const found = await Promise.all(
        jobs.map(({ command, files }, index) =>
          later.recover(command.uuid, files.folder, index === 0 ? stored : null),
        ),
      );
      expect(found[1]).toMatchObject({ runner: handles[1]?.runner });
      for (const handle of found) expect(await later.wait(handle as Handle)).toEqual(exited(0));
      // What has ended can be asked again, and what never began never will.
      expect(await later.wait(stored)).toEqual(exited(0));
      const unborn = prepare('appear', [log, '0']);
      expect(await later.recover(unborn.command.uuid, unborn.files.folder, null)).toBe('never-started');
      await later.close();
    });

    const nastyPrograms: [string, string[]][] = [
      ['forever', []],
      ['double-fork', []],
      ['ignores-sigterm', []],
      ['dies-first', []],
      ...(stage.tracks ? [['sheds-environment', []] as [string, string[]]] : []),
    ];
    test.each(nastyPrograms)('cancel of %s leaves no process, and says so', async (exec) => {
      const log = path.join(root, 'log');
      const { command, files } = prepare(exec, [log], { killGrace: 0.3 });
      const handle = await executor.start(command, files);
      const line = await waitFor(() => linesOf(log)[0], 'the program to run');
      const receipt = await executor.cancel(handle, 0.3);
      expect(receipt.survivors).toEqual([]);
      expect(receipt.signalled.map(({ pid }) => pid)).toContain(Number(line));
      expect(alive(Number(line))).toBeUndefined();
      expect(await executor.wait(handle)).not.toMatchObject({ cause: 'exit', exit_code: 0 });
      expect(receipt.unproven).toEqual(proof);
      // Once more, and when it has ended.
      expect(await executor.cancel(handle, 0.3)).toEqual({ signalled: [], survivors: [], unproven: proof });
    });

    test('cancel of a chain that forks and ends leaves no link', async ({ skip }) => {
      if (!stage.tracks) skip(untracked);
      const log = path.join(root, 'log');
      const { command, files } = prepare('fork-chain', [log, 'stay'], { killGrace: 0.3 });
      const handle = await executor.start(command, files);
      await waitFor(() => linesOf(log).length > 5, 'some links');
      const receipt = await executor.cancel(handle, 0.3);
      expect(receipt).toMatchObject({ survivors: [], unproven: null });
      expect([naming(log), naming(log)]).toEqual([[], []]);
      await executor.wait(handle);
    });

    test.for([
      'leaves-daemon',
      'fork-chain',
    ])('what %s leaves behind is ended, though it has no mark', async (exec, { skip }) => {
      if (!stage.tracks) skip(untracked);
      const log = path.join(root, 'log');
      expect((await run(exec, [log])).outcome).toEqual(exited(0));
      await waitFor(() => linesOf(log).length > 0, 'what is left behind');
      const pid = Number(linesOf(log)[0]);
      // A look can miss a link of a chain, but not two in a row.
      await waitFor(() => naming(log).length + naming(log).length === 0 && !alive(pid), 'its end');
    });

    test('cancel of many forks leaves none', async () => {
      const { command, files, stdout } = prepare('forks', ['40']);
      const handle = await executor.start(command, files);
      await waitFor(() => linesOf(stdout).length === 40, 'the forks');
      const receipt = await executor.cancel(handle, 1);
      expect(receipt.survivors).toEqual([]);
      expect(receipt.signalled.length).toBeGreaterThan(80);
      for (const { pid } of receipt.signalled) expect(alive(pid)).toBeUndefined();
      await executor.wait(handle);
    });

    test('cancel before the program is up, and by two at once', async () => {
      const jobs = Array.from({ length: 20 }, () => prepare('forever'));
      await Promise.all(
        jobs.map(async ({ command, files }) => {
          const handle = await executor.start(command, files);
          const receipts = await Promise.all([executor.cancel(handle, 1), executor.cancel(handle, 1)]);
          expect(receipts.flatMap(({ survivors }) => survivors)).toEqual([]);
          expect(await executor.wait(handle)).not.toMatchObject({ cause: 'exit', exit_code: 0 });
        }),
      );
    });

    test('cancel ends nothing of another job that runs where it ran', async () => {
      const log = path.join(root, 'log');
      const stubborn = prepare('dies-first', [log], { killGrace: 1 });
      const handle = await executor.start(stubborn.command, stubborn.files);
      await waitFor(() => linesOf(log).length > 0, 'the stubborn child');
      const cancelling = executor.cancel(handle, 1);
      const ended = executor.wait(handle);
      let over = false;
      void cancelling.then(() => {
        over = true;
      });
      await ended;
      while (!over)
        expect((await run('appear', [path.join(root, 'others'), '0.1'])).outcome).toEqual(exited(0));
      expect((await cancelling).survivors).toEqual([]);
      // A cancel that comes too late finds nothing, either.
      const next = prepare('appear', [path.join(root, 'others'), '0.3']);
      const nextHandle = await executor.start(next.command, next.files);
      expect((await executor.cancel(handle, 1)).signalled).toEqual([]);
      expect(await executor.wait(nextHandle)).toEqual(exited(0));
    });

    test('what ends its whole group is told honestly, and others go on', async () => {
      const other = prepare('appear', [path.join(root, 'log'), '0.3']);
      const handle = await executor.start(other.command, other.files);
      const { outcome } = await run('kill-group');
      if (outcome.cause === 'signal') expect(outcome.signal).toBe('SIGKILL');
      else expect(outcome.cause).toBe('lost');
      expect(await executor.wait(handle)).toEqual(exited(0));
    });

    test('who holds standard output open does not hold up the end, and is ended later', async () => {
      const log = path.join(root, 'log');
      expect((await run('holds-stdout', [log])).outcome).toEqual(exited(0));
      const line = await waitFor(() => linesOf(log)[0], 'the one left behind');
      await waitFor(() => alive(Number(line)) === undefined, 'its end');
    });

    test('keeps limits of file size and processor time', async () => {
      const big = await run('big-output', ['100000'], { limits: { ...none, fileSize: 5000 } });
      expect(big.outcome).toMatchObject({ cause: 'signal', signal: 'SIGXFSZ' });
      expect(Buffer.byteLength(big.out)).toBeLessThanOrEqual(5120);
      const busy = await run('/bin/sh', ['-c', 'while :; do :; done'], { limits: { ...none, cpuTime: 1 } });
      expect(busy.outcome.cause).toBe('signal');
    });

    test('tells that a program ran out of memory', async ({ skip }) => {
      if (!stage.keeps.memory) skip('only control groups can tell');
      const hog = [program('memory-hog.mjs'), '300'];
      const { outcome } = await run(process.execPath, hog, { limits: { ...none, memory: 128 * 2 ** 20 } });
      expect(outcome).toMatchObject({ cause: 'oom', signal: 'SIGKILL' });
    });

    test('keeps a limit of processes', async ({ skip }) => {
      if (!stage.keeps.processes) skip('only control groups can keep it');
      const forks = prepare('forks', ['50'], { limits: { ...none, processes: 20 } });
      const handle = await executor.start(forks.command, forks.files);
      await executor.wait(handle);
      expect((await executor.cancel(handle, 0.2)).survivors).toEqual([]);
      expect(readFileSync(forks.stderr, 'utf8')).toMatch(/fork/i);
    });

    /** Starts two programs whose streams are joined by a named pipe. */
    async function join(first: ReturnType<typeof prepare>, second: ReturnType<typeof prepare>, tee = false) {
      const pipe = path.join(root, 'pipe');
      await makePipes([pipe]);
      const files = tee ? await teed(first.files, pipe) : { ...first.files, stdout: pipe };
      const handles = [
        await executor.start(first.command, files),
        await executor.start(second.command, { ...second.files, stdin: pipe }),
      ];
      return Promise.all(handles.map((handle) => executor.wait(handle)));
    }
    async function teed(files: ExecutorFiles, to: string): Promise<ExecutorFiles> {
      const between = path.join(files.folder, 'tee');
      await makePipes([between]);
      const companion = { argv: ['tee', files.stdout], stdin: between, stdout: to };
      return { ...files, stdout: between, companions: [companion] };
    }

    test('two programs joined by a named pipe, each with its own end', async ({ skip }) => {
      if (!stage.joins) skip('streams are files there');
      const numbers = prepare('/usr/bin/seq', ['200000']);
      const sum = prepare('/usr/bin/sha256sum');
      expect(await join(numbers, sum)).toEqual([exited(0), exited(0)]);
      const [hash] = readFileSync(sum.stdout, 'utf8').split(' ');
      const wanted = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join('');
      expect(hash).toBe(createHash('sha256').update(wanted).digest('hex'));
      expect(existsSync(numbers.stdout)).toBe(false);
      rmSync(path.join(root, 'pipe'));
      // What goes on is kept, too.
      const again = prepare('/bin/sh', ['-c', 'seq 200000; exit 3']);
      const last = prepare('/usr/bin/tail', ['-n', '1']);
      expect(await join(again, last, true)).toEqual([exited(3), exited(0)]);
      expect(readFileSync(again.stdout, 'utf8')).toBe(wanted);
      expect(readFileSync(last.stdout, 'utf8')).toBe('200000\n');
      rmSync(path.join(root, 'pipe'));
      // A reader that leaves early ends the writer, as in a shell.
      const [endless, head] = [prepare('/usr/bin/yes'), prepare('/usr/bin/head', ['-n', '1'])];
      const [first, second] = await join(endless, head, true);
      expect(second).toEqual(exited(0));
      expect(first?.cause === 'signal' ? first.signal : first?.reason).toContain('SIGPIPE');
    });

    test('a companion that cannot start, or dies, is told, and no program waits for it for ever', async () => {
      const log = path.join(root, 'log');
      const first = prepare('appear', [log, '0']);
      const missing = { argv: ['/no/such/companion'], attends: true };
      const started = await executor.start(first.command, { ...first.files, companions: [missing] });
      expect(await executor.wait(started)).toMatchObject({ cause: 'platform' });
      expect(linesOf(log)).toEqual([]);
      const second = prepare('/bin/cat', ['never']);
      await makePipes([path.join(second.work, 'never')]);
      const dies = { argv: ['/bin/sh', '-c', 'echo ready; sleep 0.1; kill -9 $$'], attends: true };
      const handle = await executor.start(second.command, { ...second.files, companions: [dies] });
      expect(await executor.wait(handle)).toMatchObject({
        cause: 'platform',
        reason: 'sh ended with 137 before its time',
      });
    });

    test('cancel lets a companion pass on what a program says at its end, and leaves none', async () => {
      const said = '/bin/sh -c "trap \'echo bye; exit 4\' TERM; echo up; while :; do sleep 0.05; done"';
      const pipe = path.join(root, 'out');
      await makePipes([pipe]);
      const polite = prepare('/bin/sh', ['-c', `exec ${said} >'${pipe}'`], { killGrace: 5 });
      const kept = path.join(root, 'kept');
      const script = `echo ready; cat <"$1" >"$2" & read -r code <told; wait; echo "$code" >>"$2"`;
      const companion = { argv: ['/bin/sh', '-c', script, 'sh', pipe, kept], attends: true };
      const files = { ...polite.files, companions: [companion] };
      const handle = await executor.start(polite.command, files);
      await waitFor(() => linesOf(kept)[0] === 'up', 'the program to run');
      const receipt = await executor.cancel(handle, 5);
      expect(receipt.survivors).toEqual([]);
      expect(receipt.signalled.flatMap(({ signals }) => signals)).not.toContain('SIGKILL');
      expect(await executor.wait(handle)).toEqual(exited(4));
      expect(linesOf(kept)).toEqual(['up', 'bye', '4']);
      const stubborn = prepare('ignores-sigterm', [path.join(root, 'log')], { killGrace: 0.2 });
      const waits = { argv: ['/bin/sh', '-c', 'echo ready; read -r code <told'], attends: true };
      const second = await executor.start(stubborn.command, { ...stubborn.files, companions: [waits] });
      await waitFor(() => linesOf(path.join(root, 'log')).length > 0, 'the program to run');
      expect((await executor.cancel(second, 0.2)).survivors).toEqual([]);
      expect(await executor.wait(second)).toMatchObject({ cause: 'signal', signal: 'SIGKILL' });
    });

    test('close lets running programs go on', async () => {
      const log = path.join(root, 'log');
      const { command, files } = prepare('appear', [log, '0.6']);
      // Two executors of one installation at work at once do not happen: the other's sweep would end this run.
      await executor.close();
      const first = stage.make();
      const handle = await first.start(command, files);
      await first.close();
      expect(await executor.wait(handle)).toEqual(exited(0));
      expect(linesOf(log)).toHaveLength(1);
    });
  });
}
