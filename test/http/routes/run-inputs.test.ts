import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
/** Reads the file whose path it is given; one that the name of is in a variable; and its standard input. */
let byPath: number;
let byVariable: number;
let plain: number;
const file = { input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } } };
beforeAll(async () => {
  server = await startServer({ application: { LOG_LEVEL: 'error' } });
  const shell = (script: string, ...argv: string[]) => ({
    exec: '/bin/sh',
    argv: ['-c', script, 'sh', ...argv],
  });
  byPath = await server.register({ ...shell('wc -c <"$1"', '${input_file}'), name: 'count', ...file });
  byVariable = await server.register({
    ...shell('wc -c <"$WHERE"'),
    environment: { WHERE: '${input_file}' },
    ...file,
  });
  plain = await server.register({ exec: 'cat' });
});
afterAll(() => server.remove());

const run = (id: number, options: Ask = {}, query = '?wait=30&output=raw') =>
  ask(server, `/api/process_definition/${id}/run/${query}`, { method: 'POST', ...options });
const jobs = async () => (await ask(server, '/api/job/')).json.meta.total_count as number;

const without: [string, Ask][] = [
  ['no body', {}],
  ['a body of no bytes', { headers: { 'Content-Length': '0' } }],
  ['chunks of no bytes', { body: ['', ''] }],
  ['JSON that names none', { json: { timeout: 5 } }],
  [
    'a form without it',
    {
      body: '--b\r\nContent-Disposition: form-data; name="job"\r\n\r\n{}\r\n--b--\r\n',
      headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
    },
  ],
];

describe('a run without an input', () => {
  test.each(
    without,
  )('is refused where the program needs one, before there is a job: %s', async (_how, options) => {
    const before = await jobs();
    for (const id of [byPath, byVariable]) {
      const { status, json } = await run(id, options);
      expect([status, json.errors[0].pointer]).toEqual([400, '/input']);
      const name = id === byPath ? 'count' : '/bin/sh';
      expect(json.errors[0].detail).toContain(
        `${name} needs an input file (\${input_file}), and none was sent`,
      );
    }
    expect(await jobs()).toBe(before);
    expect(readdirSync(path.join(server.data, 'incoming'))).toEqual([]);
  });

  test.each(without)('is one without any input where it does not: %s', async (_how, options) => {
    const { status, json } = await run(plain, options, '?wait=30');
    expect([status, json.state, json.input_name]).toEqual([200, 'FINISHED', null]);
  });

  test('is good where the run names another file in that variable', async () => {
    const answer = await run(byVariable, { json: { environment: { WHERE: '/dev/null' } } });
    expect([answer.status, answer.text]).toEqual([200, '0\n']);
    expect((await run(plain, { json: { environment: { X: 'a' } } })).status).toBe(200);
  });

  test('of a pipeline is refused where a step needs its input', async () => {
    const pipeline = async (steps: object[]) =>
      ask(server, '/api/pipeline/', { method: 'POST', json: { name: 'p', steps } });
    const made = await pipeline([
      { name: 'first', process_definition: plain },
      { name: 'counts', process_definition: byPath, input: 'pipeline', needs: ['first'] },
    ]);
    expect(made.status).toBe(201);
    const { pathname } = new URL(made.headers.location ?? '', server.url);
    const before = await jobs();
    const refused = await ask(server, `${pathname}run/?wait=30`, { method: 'POST' });
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([400, '/input']);
    expect(refused.json.errors[0].detail).toContain("the step 'counts': count needs an input file");
    expect(await jobs()).toBe(before);
    const good = await ask(server, `${pathname}run/?wait=30&output=raw`, { body: 'four' });
    expect([good.status, good.text]).toEqual([200, '4\n']);

    const never = await pipeline([{ name: 'counts', process_definition: byPath, input: null }]);
    expect([never.status, never.json.errors[0].pointer]).toEqual([400, '/steps/0/input']);
  });
});

describe('a body of no bytes with a Content-Type', () => {
  test.each<[string, Ask]>([
    ['told by its length', { headers: { 'Content-Type': 'text/csv', 'Content-Length': '0' } }],
    ['in chunks', { body: ['', ''], headers: { 'Content-Type': 'application/octet-stream' } }],
  ])('is an empty file: %s', async (_how, options) => {
    expect((await run(byPath, options)).text).toBe('0\n');
    const { json } = await run(plain, options, '?wait=30');
    expect(json).toMatchObject({ state: 'FINISHED', input_name: 'input', input_size: 0 });
  });
});
