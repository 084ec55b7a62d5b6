import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../../server.js';

const stream = (name: string) => ({ file_type: 'stream', stream_name: name });
const filter = {
  input_adapter: { input_type: 'file', input_parameters: stream('STDIN') },
  output_adapter: { output_type: 'file', output_parameters: stream('STDOUT') },
};
const shell = (script: string) => ({ exec: '/bin/sh', argv: ['-c', script], ...filter });

/** The command line against a server, both as they are installed. */
describe.skipIf(!built)(`penstock against a server${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  let folder: string;
  const start = (args: string[]) => installed.start(args);
  const penstock = (args: string[], stdin?: string, during?: (child: ChildProcess) => void) =>
    installed.penstock(args, stdin, during);
  const json = (args: string[]) => installed.json(args);

  /** Starts a job that lasts, and gives its uuid once the program has written its first line. */
  const startLong = async (): Promise<string> => {
    const uuid = (await penstock(['run', 'forever', '--no-wait', '--no-input'])).stdout.trim();
    const follower = start(['job', 'logs', '-f', uuid]);
    if (follower.stdout !== null) await once(follower.stdout, 'data');
    follower.kill('SIGKILL');
    return uuid;
  };

  beforeAll(async () => {
    installed = await install();
    folder = installed.folder;
    const definitions = {
      tr: { exec: 'tr', argv: ['a-z', 'A-Z'], ...filter },
      fails: shell('echo some; echo first >&2; echo last >&2; exit 7'),
      killed: shell('kill -KILL $$'),
      variable: shell('printf %s "$GREETING"'),
      forever: shell('echo ready; while :; do sleep 1; done'),
      talks: shell('for n in 1 2 3; do echo line $n; sleep 0.2; done'),
    };
    for (const [name, definition] of Object.entries(definitions)) {
      const ran = await penstock(['definition', 'add', '-', '--name', name], JSON.stringify(definition));
      expect(ran).toMatchObject({ code: 0 });
      expect(ran.stdout).toMatch(/^\d+\n$/);
    }
  });

  afterAll(() => installed.stop());

  it('is a filter: penstock run tr < in > out', async () => {
    expect(await penstock(['run', 'tr'], 'hello, wörld\n')).toEqual({
      code: 0,
      stdout: 'HELLO, WöRLD\n',
      stderr: '',
    });
    const [input, output] = [join(folder, 'in'), join(folder, 'out')];
    writeFileSync(input, 'x'.repeat(5_000_000));
    const child = start(['run', 'tr']);
    if (child.stdin) createReadStream(input).pipe(child.stdin);
    const written = child.stdout?.pipe(createWriteStream(output));
    const [[code]] = await Promise.all([once(child, 'close'), written && once(written, 'close')]);
    expect(code).toBe(0);
    expect(readFileSync(output, 'utf8')).toBe('X'.repeat(5_000_000));
  });

  it('reads a file and writes a file, and tells about the job in JSON', async () => {
    const [input, output] = [join(folder, 'in.txt'), join(folder, 'files')];
    writeFileSync(input, 'from a file');
    const job = await json(['run', 'tr', '--input', input, '--output', output]);
    expect(job).toMatchObject({ state: 'FINISHED', outcome: { cause: 'exit', exit_code: 0 } });
    expect(readFileSync(output, 'utf8')).toBe('FROM A FILE');
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('takes an empty input for what it is', async () => {
    expect(await penstock(['run', 'tr'], '')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('ends as the program did, with its last words', async () => {
    const ran = await penstock(['run', 'fails'], 'input');
    expect(ran).toMatchObject({ code: 7, stdout: '' });
    expect(ran.stderr).toMatch(/exited with code 7[\s\S]*first\nlast\n$/);
    expect(await penstock(['run', 'killed'], '')).toMatchObject({ code: 137 });
    expect(await penstock(['run', 'forever', '--no-input', '--timeout', '0.5'])).toMatchObject({ code: 124 });
  });

  it('passes variables on, with and without an input', async () => {
    const args = ['run', 'variable', '--env', 'GREETING=a=b c'];
    expect(await penstock([...args, '--no-input'])).toMatchObject({ code: 0, stdout: 'a=b c' });
    expect(await penstock(args, 'some input')).toMatchObject({ code: 0, stdout: 'a=b c' });
  });

  it('shows what would run, and starts nothing', async () => {
    const before = await json(['job', 'list']);
    expect(await json(['run', 'tr', '--dry-run'])).toMatchObject({
      argv: expect.arrayContaining(['a-z', 'A-Z']),
    });
    expect(await json(['job', 'list'])).toEqual(before);
  });

  it('starts a run once for one key', async () => {
    const args = ['run', 'tr', '--no-wait', '--idempotency-key', 'only-once'];
    const first = await penstock(args, 'x');
    expect(first.stdout).toMatch(/^[\w-]{36}\n$/);
    expect(await penstock(args, 'x')).toEqual(first);
  });

  it('follows a log to the end of its job, and then shows it again', async () => {
    const uuid = (await penstock(['run', 'talks', '--no-wait', '--no-input'])).stdout.trim();
    const lines = 'line 1\nline 2\nline 3\n';
    expect(await penstock(['job', 'logs', '-f', uuid])).toEqual({ code: 0, stdout: lines, stderr: '' });
    expect(await penstock(['job', 'logs', '-f', uuid])).toMatchObject({ code: 0, stdout: lines });
    expect(await penstock(['job', 'logs', uuid])).toMatchObject({ code: 0, stdout: lines });
    expect(await penstock(['job', 'output', uuid])).toMatchObject({ code: 0, stdout: lines });
    expect(await penstock(['job', 'logs', '--stderr', uuid])).toMatchObject({ code: 0, stdout: '' });
    const history = await json(['job', 'history', uuid]);
    expect(history.map((event) => event.state).at(-1)).toBe('FINISHED');
  });

  it('cancels a job, by command and by Control-C', async () => {
    const uuid = await startLong();
    expect((await penstock(['job', 'remove', uuid])).stderr).toContain('Cancel it first');
    const receipt = await json(['job', 'cancel', uuid]);
    expect(receipt).toMatchObject({ survivors: [] });
    expect(await json(['job', 'show', uuid])).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'cancelled' },
    });
    expect(await penstock(['job', 'remove', uuid])).toMatchObject({ code: 0 });
    expect(await penstock(['job', 'show', uuid])).toMatchObject({ code: 1, stdout: '' });

    const ran = await penstock(['run', 'forever', '--no-input'], undefined, async (child) => {
      for (;;) {
        const running = await json(['job', 'list', '--state', 'RUNNING', '--definition', 'forever']);
        if (running.length > 0) break;
      }
      child.kill('SIGINT');
    });
    expect(ran.code).toBe(130);
    expect(await json(['job', 'list', '--state', 'RUNNING'])).toEqual([]);
  });

  it('looks after definitions', async () => {
    const file = join(folder, 'cat.yaml');
    writeFileSync(file, 'exec: cat\n');
    const made = await json(['definition', 'add', file, '--name', 'cat']);
    expect(made).toMatchObject({ name: 'cat', revision: 1 });
    const shown = JSON.stringify({ ...(await json(['definition', 'show', 'cat'])), extra: 1 });
    writeFileSync(join(folder, 'again.json'), shown.replace('"cat"', '"head"'));
    expect(
      await penstock(['definition', 'update', String(made.id), join(folder, 'again.json')]),
    ).toMatchObject({ code: 0 });
    expect((await json(['definition', 'revisions', String(made.id)])).length).toBe(2);
    expect((await penstock(['definition', 'list'])).stdout).toMatch(/^ *ID +NAME/);
    expect(await penstock(['definition', 'remove', String(made.id)])).toMatchObject({ code: 0 });
    expect(await penstock(['definition', 'show', String(made.id)])).toMatchObject({ code: 1, stdout: '' });
  });

  it('names what is wrong with a definition, and what is nearest to a wrong name', async () => {
    const ran = await penstock(['definition', 'add', '-'], '{"exec": "cat", "argvv": []}');
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('argvv');
    expect((await penstock(['run', 'forevr', '--no-input'])).stderr).toContain('Did you mean forever?');
  });

  it('looks after users and tokens', async () => {
    expect(await penstock(['user', 'add', 'grace'], 'hopper-1906\n')).toMatchObject({ code: 0, stdout: '' });
    expect((await json(['user', 'list'])).map((user) => user.username).sort()).toEqual(['ada', 'grace']);
    expect(await json(['user', 'show', 'grace'])).toMatchObject({ role: 'user' });
    expect(await penstock(['user', 'password', 'grace'], 'compiler-1952\n')).toMatchObject({ code: 0 });

    const own = installed.env;
    installed.env = { ...own, PENSTOCK_USER: 'grace', PENSTOCK_PASSWORD: 'hopper-1906' };
    expect((await penstock(['job', 'list'])).stderr).toContain('PENSTOCK_TOKEN');
    installed.env = { ...own, PENSTOCK_USER: 'grace', PENSTOCK_PASSWORD: 'compiler-1952' };
    expect(await json(['job', 'list'])).toEqual([]);
    const token = await penstock(['token', 'add', '--name', 'ci', '--expires', '2999-01-01T00:00:00Z']);
    expect(token).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\S{20,}\n$/) });
    expect((await penstock(['token', 'list'])).stdout).not.toContain(token.stdout.trim());

    installed.env = { PENSTOCK_URL: own.PENSTOCK_URL ?? '', PENSTOCK_TOKEN: token.stdout.trim() };
    expect(await json(['job', 'list'])).toEqual([]);
    expect(await penstock(['token', 'remove', 'ci'])).toMatchObject({ code: 0 });
    expect(await penstock(['job', 'list'])).toMatchObject({ code: 1 });

    installed.env = own;
    expect(await penstock(['user', 'remove', 'grace'])).toMatchObject({ code: 0 });
  });
});
