import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listProcesses } from '../../../src/drivers/processes/processes.js';
import { type Node, startNode } from '../../support/node-home.js';
import { atPace } from '../../support/pace.js';
import { alive, linesOf } from '../../support/programs.js';
import type { Answer } from '../../support/raw.js';
import { waitFor } from '../../support/wait-for.js';

let node: Node;
beforeAll(async () => {
  node = await startNode({}, { timeout: 2, limits: { memory: '128MB' } });
});
afterAll(async () => {
  await node.end();
});

const script = (name: string) => path.join(node.home, name);
/** Processes with that word in their command line. */
const withWord = (word: string) =>
  listProcesses().filter(({ pid }) => {
    try {
      return alive(pid) !== undefined && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word);
    } catch {
      return false;
    }
  });
const timed = async (answer: Promise<Answer>) => {
  const begun = performance.now();
  return { answer: await answer, took: (performance.now() - begun) / 1000 };
};

describe('a script that runs too long', () => {
  /** Keeps stdout open in a child, and has a daemon of a session of its own; neither hears SIGTERM. */
  const stubborn = (log: string) => `
    trap '' TERM
    echo begun
    sh -c 'trap "" TERM; echo $$ >>"$1"; while :; do sleep 1000; done' holder ${log} &
    (setsid sh -c 'trap "" TERM; (echo $$ >>"$1"; exec sleep 100000) & exit 0' daemon ${log} &)
    (setsid sh -c 'trap "" TERM; echo $$ >>"$1"; while :; do sleep 1000; done' daemon ${log} &)
    while :; do sleep 1000; done`;

  test.each([
    ['of the request', { timeout: 1 }, 1],
    ['of the configuration', undefined, 2],
    ['of the request, as a fraction', { timeout: 0.3 }, 0.3],
  ])('is ended with all that it started, in the time %s', async (what, body, seconds) => {
    const log = path.join(node.aside, `pids of ${what}`.replaceAll(/[ ,]/g, '-'));
    node.script('config', stubborn(log));
    const { answer, took } = await timed(node.put('config', body));
    expect(answer.json).toMatchObject({ result: -9, message: { stdout: 'begun\n', returncode: -9 } });
    expect(took).toBeGreaterThanOrEqual(seconds);
    expect(took).toBeLessThan(seconds + atPace(1));
    expect(linesOf(log).length).toBeGreaterThan(1);
    expect(withWord(log).map(({ pid }) => pid)).toEqual([]);
    expect(linesOf(log).filter((pid) => alive(Number(pid)) !== undefined)).toEqual([]);
    expect(await node.busy()).toBe(false);
  });

  test('is told as such by every command that runs something', async () => {
    node.script('init', 'echo i; sleep 1000');
    node.script('run', 'echo r; echo x >output/x; sleep 1000');
    node.script('clean', 'echo c; sleep 1000');
    const timeout = 0.2;
    const input = { meta: {}, _sets: { theName: { data: 'x' } } };
    const answers = [
      await node.put('init', { timeout }),
      await node.post('run', { timeout }),
      await node.post('testrun', { timeout, input }),
      await node.post('sleep/1000', { timeout }),
      await node.remove('clean', { timeout }),
    ];
    const said = (stdout: string) => ({ result: -9, message: { stdout, returncode: -9 } });
    expect(answers.map(({ json }) => json)).toMatchObject([
      said('i\n'),
      said('r\n'),
      said('r\n'),
      said(''),
      said('c\n'),
    ]);
  });

  test('is ended if it has stopped itself', async () => {
    node.script('config', 'echo x; kill -STOP $$');
    const { answer, took } = await timed(node.put('config', { timeout: 1 }));
    expect(answer.json).toMatchObject({ result: -9, message: { stdout: 'x\n', returncode: -9 } });
    expect(took).toBeLessThan(atPace(2));
  });

  test('one that ends while a daemon of it holds stdout is answered at once', async () => {
    const log = path.join(node.aside, 'holder');
    node.script('config', `sh -c 'echo $$ >>"$1"; exec sleep 100000' holder ${log} & echo done`);
    const { answer, took } = await timed(node.put('config'));
    expect(answer.json).toMatchObject({ result: 0, message: { stdout: 'done\n' } });
    expect(took).toBeLessThan(atPace(1));
    await waitFor(() => linesOf(log).every((pid) => alive(Number(pid)) === undefined), 'its daemon to go');
  });
});

describe('how a script ended', () => {
  test.each([0, 1, 2, 42, 126, 127, 128, 200, 254, 255])('with exit code %i', async (code) => {
    node.script('config', `echo out; echo err >&2; exit ${code}`);
    const { status, json } = await node.put('config');
    const command = `['${node.home}/configPTS', '']`;
    expect([status, json.result]).toEqual([200, code]);
    expect(json.message).toEqual({ command, stdout: 'out\n', stderr: 'err\n', returncode: code });
  });

  test.each([
    ['TERM', -15],
    ['SEGV', -11],
    ['KILL', -9],
    ['ABRT', -6],
    ['HUP', -1],
    ['USR1', -10],
  ])('by SIG%s', async (signal, code) => {
    node.script('config', `echo out; kill -${signal} $$`);
    const { json } = await node.put('config');
    expect(json).toMatchObject({ result: code, message: { stdout: 'out\n', returncode: code } });
  });

  test('with bytes that are not UTF-8 in what it said', async () => {
    node.script('config', String.raw`printf 'a\377\000b\303'; printf '\376"\\\n' >&2`);
    const { json } = await node.put('config');
    expect(json).toMatchObject({ result: 0, message: { stdout: 'a\ufffd\0b\ufffd', stderr: '\ufffd"\\\n' } });
  });

  test('of too much memory', async ({ skip }) => {
    const log = path.join(node.aside, 'after');
    const hog = `head -c 300000000 /dev/zero | tail -c 300000000 | wc -c; echo $? >${log}`;
    node.script('config', hog);
    const { json } = await node.put('config', { timeout: 20 });
    if (json.result === 0) skip('no control group for memory here');
    expect(json).toMatchObject({ result: -9, message: { returncode: -9 } });
    expect(json.message.message).toContain('memory');
    expect(await node.busy()).toBe(false);
  });
});

describe('a script that cannot be started', () => {
  const put = async (prepare: (file: string) => void) => {
    rmSync(script('configPTS'), { recursive: true, force: true });
    prepare(script('configPTS'));
    const { answer, took } = await timed(node.put('config'));
    expect(answer.status).toBe(200);
    expect(took).toBeLessThan(atPace(1));
    rmSync(script('configPTS'), { recursive: true, force: true });
    return answer.json;
  };
  test.each([
    ['missing', () => {}, 'there is no program'],
    ['not executable', (file: string) => writeFileSync(file, '#!/bin/sh\n'), 'cannot be executed'],
    ['a folder', (file: string) => mkdirSync(file), 'there is no program'],
  ])('because it is %s', async (_, prepare, why) => {
    const { result, message } = await put(prepare);
    expect([result, message.returncode, Object.keys(message)]).toEqual([-1, -1, ['returncode', 'message']]);
    expect(message.message).toContain(why);
    expect(message.message).toContain(script('configPTS'));
  });

  test.each([
    ['', '#!/no/such\n', '/no/such'],
    [' with a space before it', '#! /no/such -x\n', '/no/such'],
    [' with a carriage return behind it', '#!/bin/sh\r\ntrue\r\n', '/bin/sh\\r'],
    [' that is a folder', '#!/tmp\n', '/tmp'],
  ])('because of its interpreter%s', async (_, content, name) => {
    const { result, message } = await put((file) => writeFileSync(file, content, { mode: 0o755 }));
    expect([result, message]).toEqual([-1, { returncode: -1, message: expect.any(String) }]);
    expect(message.message).toContain(`${script('configPTS')} needs the interpreter "${name}"`);
  });

  test('because of its format: the code is that of the shell that tried', async () => {
    const { result, message } = await put((file) => {
      writeFileSync(file, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 2, 3]), { mode: 0o755 });
    });
    expect([result, message.returncode]).toEqual([126, 126]);
    expect(message.stderr).toContain(script('configPTS'));
  });

  test('because the home is gone, or is a file', async () => {
    const other = path.join(node.aside, 'home');
    const set = await node.put('pnsconf', { input: { paths: { pnshome: other } } });
    expect(set.json.result).toEqual({ paths: { pnshome: other } });
    for (const prepare of [() => {}, () => writeFileSync(other, '')]) {
      prepare();
      const { answer, took } = await timed(node.put('config'));
      expect(answer.json).toMatchObject({ result: -1, message: { returncode: -1 } });
      expect(answer.json.message.message).toContain(`${other}/configPTS`);
      expect(took).toBeLessThan(atPace(1));
    }
    await node.put('pnsconf', { input: {} });
    node.script('config', 'true');
    expect((await node.put('config')).json.result).toBe(0);
  });
});

describe('a script that is', () => {
  const flag = () => path.join(node.aside, 'go');
  const whileItRuns = async (name: 'config' | 'run', text: string, act: () => void) => {
    rmSync(flag(), { force: true });
    node.script(name, `echo begun >${flag()}.begun; until [ -e ${flag()} ]; do sleep 0.02; done; ${text}`);
    rmSync(`${flag()}.begun`, { force: true });
    const answer = name === 'config' ? node.put('config') : node.post('run', { input: { given: 'x' } });
    await waitFor(() => linesOf(`${flag()}.begun`).length === 1, 'the script to begin');
    act();
    writeFileSync(flag(), '');
    return (await answer).json;
  };

  test('deleted while it runs ends as it would have', async () => {
    const json = await whileItRuns('config', 'echo end; exit 3', () => rmSync(script('configPTS')));
    expect(json).toMatchObject({ result: 3, message: { stdout: 'end\n' } });
    expect((await node.put('config')).json).toMatchObject({ result: -1, message: { returncode: -1 } });
  });

  test('replaced while it runs ends as it would have, and the next run is of the new one', async () => {
    const json = await whileItRuns('config', 'echo old', () => node.script('config', 'echo new'));
    expect(json.message.stdout).toBe('old\n');
    expect((await node.put('config')).json.message.stdout).toBe('new\n');
  });

  test('unable to write what it should is run once, and told why', async () => {
    const log = path.join(node.aside, 'runs');
    node.script('run', `echo run >>${log}`);
    await node.put('pnsconf', { input: { paths: { outputfiles: ['result.fits'] } } });
    const { answer, took } = await timed(node.post('run'));
    expect(answer.json).toMatchObject({
      result: -1,
      message: expect.stringContaining('did not write result.fits'),
    });
    expect(linesOf(log)).toEqual(['run']);
    expect(took).toBeLessThan(atPace(1));
    await node.put('pnsconf', { input: {} });
  });

  test('without its home before it ends is told so, and the node can be made anew', async () => {
    const json = await whileItRuns('run', 'true', () => rmSync(node.home, { recursive: true }));
    expect(json).toMatchObject({ result: -1, message: expect.stringContaining(`${node.home}/output`) });
    expect((await node.put('init')).json).toMatchObject({ result: -1, message: { returncode: -1 } });
    expect(readdirSync(node.home).sort()).toEqual(['input', 'output']);
    node.script('init', 'true');
    expect((await node.put('init')).json.result).toBe(0);
  });
});
