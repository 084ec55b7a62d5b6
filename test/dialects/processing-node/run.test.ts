import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startNode, type TestNode } from '../../support/node.js';
import { atPace } from '../../support/pace.js';
import { ask } from '../../support/raw.js';

const bytes = Buffer.from([0, 1, 0xff, 0xfe]);
const base64 = bytes.toString('base64');

describe('run', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startNode();
    await node.call('PUT', 'init');
  });
  afterAll(() => node.server.remove());
  const run = (input: unknown) => node.call('POST', 'run', { input });

  test('delivers files by name, and gives those that were written', async () => {
    node.script('run', 'cp input/a input/b output; printf "" >output/empty; mkdir -p output/folder');
    const answer = await run({ a: 'é\r\n"x"', b: { base64 } });
    expect([answer.status, answer.json.message.returncode]).toEqual([200, 0]);
    expect(answer.json.result).toEqual({ a: 'é\r\n"x"', b: { base64 }, empty: '' });
    expect(readFileSync(path.join(node.home, 'input/b'))).toEqual(bytes);
    expect(Object.keys(answer.json.message)).toEqual(['command', 'stdout', 'stderr', 'returncode']);
    const again = await run({ a: 'new' });
    expect(again.json.result).toEqual({ a: 'new', b: { base64 }, empty: '' });
    expect(readFileSync(path.join(node.home, 'input/a.old'), 'utf8')).toBe('é\r\n"x"');
  });

  test('gives a file whose name is not UTF-8 under an escaped name, and says so', async () => {
    node.script('run', `printf x >"output/$(printf 'gr\\374n')"`);
    const answer = await run({});
    expect(answer.json.result).toEqual({ 'gr%FCn': 'x' });
    expect(answer.json.message).toMatchObject({
      returncode: 0,
      message: 'The name of a file in the output folder is not UTF-8; it is kept as "gr%FCn".',
    });
    const listed = await node.call('GET', 'output');
    expect(listed.json.result[path.join(node.home, 'output/gr%FCn')]).toBe('x');
    node.script('run', 'rm output/gr*');
    await run({});
  });

  test('gives only what this run wrote, and nothing for nothing', async () => {
    node.script('run', ':');
    for (const body of [undefined, '', '{}', '{"input": null}', '{"input": {}}']) {
      const answer = await node.call('POST', 'run', body);
      expect([body, answer.raw('result')]).toEqual([body, '{}']);
    }
    expect(existsSync(path.join(node.home, 'output/a'))).toBe(true);
  });

  test('that fails gives its code and status', async () => {
    node.script('run', 'echo half >output/a; echo out; echo err >&2; exit 3');
    const answer = await run({ a: 'x' });
    expect([answer.status, answer.json.result]).toEqual([200, 3]);
    expect(answer.json.message).toMatchObject({ stdout: 'out\n', stderr: 'err\n', returncode: 3 });
  });

  test('whose time is over gives -9 and what it had said', async () => {
    node.script('run', 'echo begun; sleep 60');
    const started = performance.now();
    const answer = await node.call('POST', 'run', { timeout: 0.5 });
    expect(performance.now() - started).toBeLessThan(atPace(1500));
    expect([answer.json.result, answer.json.message.returncode]).toEqual([-9, -9]);
    expect(answer.json.message.stdout).toBe('begun\n');
  });

  test.each([
    [{ '../a': 'x' }, '/input/..~1a'],
    [{ 'a/b': 'x' }, '/input/a~1b'],
    [{ '..': 'x' }, '/input/..'],
    [{ '.': 'x' }, '/input/.'],
    [{ '': 'x' }, '/input/'],
    [{ a: 5 }, '/input/a'],
    [{ a: null }, '/input/a'],
    [{ a: { base64: '=' } }, '/input/a/base64'],
    [{ a: { text: 'x' } }, '/input/a/text'],
    [{ a: '\ud800' }, '/input/a'],
    [['a'], '/input'],
    ['a', '/input'],
    [{ classID: 'Product', _sets: { '../x': { data: '1' } } }, '/input/_sets/..~1x'],
  ])('refuses %j, and writes nothing', async (input, place) => {
    const before = readdirSync(path.join(node.home, 'input')).sort();
    const answer = await run(input);
    expect([answer.status, answer.json.error]).toEqual([400, 'Bad request.']);
    expect(answer.json.message).toContain(place);
    expect(readdirSync(path.join(node.home, 'input')).sort()).toEqual(before);
    expect(readdirSync(node.home)).not.toContain('x');
  });

  test('sleeps, by default for three seconds, and no longer than its time', async () => {
    const nap = await node.call('POST', 'sleep/0.01');
    expect([nap.json.result, nap.json.message.command]).toEqual([0, "['sleep', '0.01']"]);
    for (const command of ['sleep', 'sleep/long', 'sleep/-1', 'sleep/1e3']) {
      const answer = await node.call('POST', command, { timeout: 0.05 });
      expect([answer.json.result, answer.json.message.command]).toEqual([-9, "['sleep', '3']"]);
    }
  });
});

describe('calc', () => {
  let node: TestNode;
  afterEach(() => node.server.remove());
  const input = { a: 'two\nlines\n' };
  const sort = { exec: '/usr/bin/sort', argv: ['-r'], name: 'calculate' };

  test('gives 0 where the node names no definition', async () => {
    node = await startNode();
    const answer = await node.call('POST', 'calc', { input });
    expect([answer.status, answer.raw('result'), answer.raw('message')]).toEqual([200, '0', '""']);
  });

  test('runs the definition of that name on the one file that was sent', async () => {
    node = await startNode({ node: { calc: 'calculate' } });
    const missing = await node.call('POST', 'calc', { input });
    expect([missing.json.result, missing.json.message]).toEqual([-1, expect.stringContaining('calculate')]);
    await node.server.register(sort);
    const answer = await node.call('POST', 'calc', { input });
    expect(Object.values(answer.json.result)).toEqual(['two\nlines\n']);
    expect(Object.values((await node.call('POST', 'calc', { input: { a: 'a\nb\n' } })).json.result)).toEqual([
      'b\na\n',
    ]);
    expect(answer.json.message).toEqual({
      command: "['/usr/bin/sort', '-r']",
      stdout: 'two\nlines\n',
      stderr: '',
      returncode: 0,
    });
    const job = (await ask(node.server, `/api/job/${answer.headers['x-job-uuid']}/`)).json;
    expect([job.owner, job.input_name, job.state]).toEqual(['node', 'a', 'FINISHED']);
    // Two of that name: which one is meant?
    await node.server.register(sort);
    const two = await node.call('POST', 'calc', { input });
    expect([two.json.result, two.json.message]).toEqual([-1, expect.stringContaining('more than one')]);
  });

  test('runs the definition with that id, whatever it takes and gives', async () => {
    node = await startNode({ node: { calc: 1, timeout: 7 } });
    await node.server.register({ exec: '/bin/cat' });
    const define = async (definition: object) => {
      const made = await ask(node.server, '/api/process_definition/1/', {
        method: 'PUT',
        json: { definition },
      });
      expect(made.status).toBeLessThan(300);
    };
    const calc = (body: string | object) => node.call('POST', 'calc', body);
    // What is no single file arrives as it was written.
    for (const text of [
      '[1.0, {"b": 2, "a": NaN}, 1e5]',
      '{"classID": "Product",  "x": 1.0}',
      '"a\\u00e9"',
    ]) {
      expect(Object.values((await calc(`{"input": ${text}}`)).json.result)).toEqual([text]);
    }
    const both = await calc('{"input": {"b": "2", "a": {"base64": "MQ=="}}}');
    expect(Object.values(both.json.result)).toEqual(['{"b": "2", "a": {"base64": "MQ=="}}']);
    expect((await calc('{"input": {"a": 1}}')).status).toBe(400);
    const limited = await calc({ input });
    const { request } = (await ask(node.server, `/api/job/${limited.headers['x-job-uuid']}/`)).json;
    expect(request).toEqual({ timeout: 7 });

    const out = { file_path: '${output_file}', file_name: 'out.bin' };
    await define({
      exec: '/bin/sh',
      argv: ['-c', 'cat "$0" "$0" >"$1"', '${input_file}', '${output_file}'],
      input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      output_adapter: { output_type: 'file', output_parameters: out },
    });
    const twice = await calc({ input: { 'a.bin': { base64 } } });
    expect(twice.json.result).toEqual({
      'out.bin': { base64: Buffer.concat([bytes, bytes]).toString('base64') },
    });

    await define({
      exec: '/bin/sh',
      argv: ['-c', 'cat in/a in/b >out/both; cp in/a out'],
      input_adapter: { input_type: 'folder', input_parameters: { folder_path: 'in' } },
      output_adapter: { output_type: 'folder', output_parameters: { folder_path: 'out' } },
    });
    const folders = await calc({ input: { a: '1', b: '2' } });
    expect(folders.json.result).toEqual({ a: '1', both: '12' });
    const product = { classID: 'Product', _sets: { a: { data: 'x' }, b: { data: [1] } } };
    expect((await calc({ input: product })).json.result).toEqual({ a: 'x', both: 'x[1]' });
    const wrong = await calc({ input: { '../a': '1' } });
    expect([wrong.status, wrong.json.message]).toEqual([400, expect.stringContaining('/input/..~1a')]);

    await define({ exec: '/bin/sh', argv: ['-c', 'echo no >&2; exit 5'], timeout: 3 });
    const failed = await calc({ input });
    expect([failed.status, failed.json.result, failed.json.message.stderr]).toEqual([200, 5, 'no\n']);
    const own = (await ask(node.server, `/api/job/${failed.headers['x-job-uuid']}/`)).json;
    expect(own.request).toEqual({});
    expect((await calc({ timeout: 0 })).status).toBe(400);

    await define({ exec: '/no/such/program' });
    const none = await calc({ input });
    expect([none.json.result, none.json.message.message]).toEqual([-1, expect.stringContaining('/no/such')]);
  });
});
