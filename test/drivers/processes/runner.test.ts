import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { commandScript, readStatus, runnerScript } from '../../../src/drivers/processes/runner.js';
import { RunnerPool } from '../../../src/drivers/processes/runner-pool.js';
import { shellWord } from '../../../src/drivers/processes/shell-word.js';
import { program } from '../../support/programs.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-runner-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Shells of this machine, each under the name `sh`, as it is called when it is a system's own. */
const shells = [['sh'], ['dash'], ['bash'], ['busybox']].flatMap(([name = '']) => {
  const found = ['/bin', '/usr/bin']
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
  if (found === undefined) return [];
  const folder = mkdtempSync(path.join(root, `${name}-`));
  const shell = path.join(folder, 'sh');
  symlinkSync(found, shell);
  return [{ name, shell }];
});
const launch = { environment: {}, cwd: '/', stdin: null, limits: {}, groups: [] };

describe.each(shells)('$name', ({ shell }) => {
  /** Has a runner run one command, and gives what it wrote of it. */
  function run(exec: string, argv: string[], more: Partial<Parameters<typeof commandScript>[0]> = {}) {
    const folder = mkdtempSync(path.join(root, 'job-'));
    const [stdout, stderr] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [string, string];
    const script = commandScript({ ...launch, exec, argv, stdout, stderr, ...more });
    const made = spawnSync(shell, ['-c', `cat >"$1/command"`, 'sh', folder], { input: script });
    expect(made.status).toBe(0);
    const runner = spawnSync(shell, ['-c', runnerScript, 'penstock-runner'], {
      input: `${folder}\n${folder}\n`,
      env: { PATH: '/usr/bin:/bin' },
    });
    // Twice the same folder: the second time there is nothing to be done, and it says so, too.
    expect(runner.stdout.toString()).toBe(`${folder}\nrefused\n`);
    const read = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    return { out: read(stdout), err: read(stderr), status: readStatus(read(path.join(folder, 'status'))) };
  }

  test('with companions beside it an end is told as without', () => {
    const file = path.join(mkdtempSync(path.join(root, 'companion-')), 'kept');
    const companions = [{ argv: ['tee', file], stdin: '/dev/null' }];
    expect(run('/bin/sh', ['-c', 'echo x; exit 7'], { companions })).toMatchObject({
      out: 'x\n',
      status: { ended: true, code: 7, signal: null, problem: null },
    });
    const { status } = run(program('killed-by'), ['KILL'], { companions });
    expect(status).toMatchObject({ ended: true, code: 137, problem: null });
    if (status.ended) expect([status.signal, status.perhaps]).toContain(9);
    expect(run('/bin/sh', ['-c', 'exit 137'], { companions }).status).toMatchObject({ signal: null });
    expect(run('/no/such', [], { companions, cwd: '/no/such' }).status).toMatchObject({
      problem: 'the working folder /no/such cannot be entered',
    });
    const attends = {
      attends: true,
      argv: ['/bin/sh', '-c', `echo; read -r code <told; echo "$code" >${file}`],
    };
    expect(run('/bin/sh', ['-c', 'exit 3'], { companions: [attends] }).status).toMatchObject({ code: 3 });
    expect(readFileSync(file, 'utf8')).toBe('3\n');
    expect(run(program('killed-by'), ['KILL'], { companions: [attends] }).status).toMatchObject({
      code: 137,
    });
    expect(readFileSync(file, 'utf8')).toBe('137\n');
  });

  test('a word means exactly the text', () => {
    const texts = fc.array(
      fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replaceAll('\0', '')),
    );
    fc.assert(
      fc.property(texts, (words) => {
        const text = words.map((word) => Buffer.from(word).toString());
        const script = `printf '%s\\0' ${['x', ...text].map(shellWord).join(' ')}`;
        const { stdout } = spawnSync(shell, ['-c', script], { env: {} });
        expect(stdout.toString().split('\0').slice(1, -1)).toEqual(text);
      }),
      { numRuns: 40 },
    );
  });

  test('exit codes and signals are told apart', () => {
    for (const code of [0, 1, 2, 125, 126, 127, 128, 137, 139, 192, 193, 255]) {
      expect(run(program('exit-code'), [String(code)]).status).toMatchObject({
        ended: true,
        code,
        signal: null,
      });
    }
    // Where a shell says nothing, the doubt is told, and the same for both.
    for (const [name, signal] of [
      ['KILL', 9],
      ['SEGV', 11],
      ['HUP', 1],
      ['INT', 2],
      ['PIPE', 13],
      ['TERM', 15],
    ] as const) {
      const { status } = run(program('killed-by'), [name]);
      if (status.ended && status.signal === null) expect(status.perhaps).toBe(signal);
      else expect(status).toMatchObject({ signal, perhaps: null });
    }
  });

  test('variables that the shell keeps for itself reach the program', () => {
    const wanted = {
      OPTIND: 'abc',
      UID: '7',
      PPID: 'x',
      IFS: ':',
      LINENO: 'y',
      SHLVL: '40',
      PWD: '/x',
      A: "'",
    };
    const { out, status } = run('/usr/bin/env', ['-0'], { environment: wanted });
    expect(status).toMatchObject({ code: 0, problem: null });
    const found = out.split('\0').slice(0, -1);
    for (const [name, value] of Object.entries(wanted)) {
      // A shell counts this one down when it becomes another program.
      if (name !== 'SHLVL') expect(found).toContain(`${name}=${value}`);
    }
    expect(found.some((entry) => entry.startsWith('OLDPWD='))).toBe(false);
  });

  test('what the platform does not give is not the program’s exit', () => {
    expect(run('/bin/true', [], { cwd: '/no/such' }).status).toMatchObject({
      code: 125,
      problem: expect.stringMatching(/working folder/),
    });
    expect(run('/bin/true', [], { stdin: '/no/such' }).status).toMatchObject({
      code: 125,
      problem: expect.stringMatching(/input/),
    });
    const far = run('/bin/true', [], { groups: ['/no/such/cgroup.procs'] });
    expect(far.status).toMatchObject({ code: 125, problem: expect.stringMatching(/control group/) });
  });
});

test('a status that is not whole has not ended', () => {
  for (const text of ['', 'program\n', 'program\nexit', 'program\nexit 0', 'program\nKilled\n', 'exit x\n']) {
    expect(readStatus(text)).toEqual({ ended: false });
  }
  // A complaint of the shell that prepared the program is no word on its end.
  expect(readStatus('sh: warning: locale\nprogram\nexit 137\n')).toMatchObject({ signal: null });
  expect(readStatus('program\nKilled\nexit 137\n')).toMatchObject({ signal: 9 });
  // Nor is what a companion says afterwards.
  const late = 'program\nKilled\nexit 137\nplatform: feeder ended with 1 before its time\n';
  expect(readStatus(late)).toMatchObject({ signal: 9, problem: null });
});

test('a machine that can start no shell gives an error, and the server lives', async () => {
  const pool = new RunnerPool(1, { HUGE: 'x'.repeat(8 * 2 ** 20) });
  expect(() => pool.run('/tmp', () => {})).toThrow(/E2BIG|no shell/);
  await new Promise((resolve) => setImmediate(resolve));
  pool.close();
});
