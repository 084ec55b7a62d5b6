import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode, type TestNode } from '../support/node.js';
import { ask } from '../support/raw.js';
import type { TestServer } from '../support/server.js';
import { unbounded } from '../support/unbounded.js';

/** What one request may hold: at the bound it is taken, beyond it the answer names the bound. */
let node: TestNode;
let server: TestServer;
beforeAll(async () => {
  node = await startNode({ application: { CONNECTOR: 'local' } });
  server = node.server;
  await server.register({ exec: '/bin/true', name: 'first' });
});
afterAll(() => server.remove());

const list = '/api/process_definition/';
const many = <T>(count: number, item: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => item(index));
const definitions = (count: number) =>
  many(count, (index) => ({ definition: { exec: '/bin/true', name: `many ${index}` } }));
const total = async (query = '') =>
  (await ask(server, `${list}?limit=1${query}`)).json.meta.total_count as number;

describe('lists of objects', () => {
  test('a page of objects is made in one PATCH, and one more is refused whole', async () => {
    const before = await total();
    const over = await ask(server, list, { method: 'PATCH', json: { objects: definitions(1001) } });
    expect([over.status, over.json.errors]).toEqual([
      400,
      [{ pointer: '/objects', detail: 'may have at most 1,000 items, not 1001' }],
    ]);
    expect(await total()).toBe(before);
    const headers = { Prefer: 'return=representation' };
    const full = await ask(server, list, { method: 'PATCH', json: { objects: definitions(1000) }, headers });
    expect(full.status).toBe(202);
    const names = full.json.objects.map(({ name }: { name: string }) => name);
    expect(names).toEqual(many(1000, (index) => `many ${index}`));
    expect(await total()).toBe(before + 1000);
  });

  test('changes, new ones and deletions of one PATCH are all made, or none', async () => {
    const [one, two, three] = await Promise.all(
      ['one', 'two', 'three'].map((name) => server.register({ exec: '/bin/true', name })),
    );
    const change = { resource_uri: `${list}${one}/`, name: null, definition: { exec: '/bin/echo' } };
    const named = { resource_uri: `${list}${two}/`, name: 'renamed' };
    const objects = [{ definition: { exec: '/bin/cat', name: 'four' } }, change, named];
    const wrong = await ask(server, list, {
      method: 'PATCH',
      json: { objects, deleted_objects: [`${list}${three}/`, `${list}999999/`] },
    });
    expect(wrong.status).toBe(404);
    expect((await ask(server, `${list}${two}/`)).json.name).toBe('two');
    const answer = await ask(server, list, {
      method: 'PATCH',
      json: { objects, deleted_objects: [`${list}${three}/`] },
      headers: { Prefer: 'return=representation' },
    });
    expect(
      answer.json.objects.map(({ id, name, revision }: Record<string, unknown>) => [id, name, revision]),
    ).toEqual([
      [expect.any(Number), 'four', 1],
      [one, null, 2],
      [two, 'renamed', 1],
    ]);
    expect((await ask(server, `${list}${three}/`)).status).toBe(404);
    const revisions = (await ask(server, `${list}${one}/revisions/`)).json.objects;
    expect(revisions.map(({ definition }: { definition: { exec: string } }) => definition.exec)).toEqual([
      '/bin/true',
      '/bin/echo',
    ]);
  });

  test('a list is put in place of no more than a page; any number is deleted by a query', async () => {
    const before = await total('&name__startswith=many');
    expect(before).toBe(1000);
    await ask(server, list, { method: 'PATCH', json: { objects: definitions(2) } });
    const put = { method: 'PUT', json: { objects: definitions(1) } };
    const over = await ask(server, `${list}?name__startswith=many`, put);
    expect([over.status, over.json.detail]).toEqual([413, expect.stringContaining('1,000 objects')]);
    expect(await total('&name__startswith=many')).toBe(1002);
    const fewer = await ask(server, `${list}?name=many+0`, put);
    expect(fewer.status).toBe(204);
    expect(await total('&name__startswith=many')).toBe(1001);
    expect((await ask(server, `${list}?name__startswith=many`, { method: 'DELETE' })).status).toBe(204);
    expect(await total('&name__startswith=many')).toBe(0);
    expect(await total('&name=first')).toBe(1);
  });

  test('what an operation runs keeps a query from deleting anything', async () => {
    const used = await server.register({ exec: '/bin/cat', name: 'zz used' });
    await server.register({ exec: '/bin/cat', name: 'zz unused' });
    await ask(server, '/api/stream/bounds/', { method: 'PUT', json: {} });
    const operation = { name: 'user', process_definition: used, input_stream: 'bounds' };
    expect((await ask(server, '/api/operation/', { json: operation })).status).toBe(201);
    const answer = await ask(server, `${list}?name__startswith=zz`, { method: 'DELETE' });
    expect([answer.status, answer.json.detail]).toEqual([409, expect.stringContaining('user')]);
    expect(await total('&name__startswith=zz')).toBe(2);
  });
});

test('the description bounds every text, list and map that a request can hold', async () => {
  const document = (await ask(server, '/api/openapi.json')).json;
  const bodies = Object.entries<Record<string, { requestBody?: { content: object } }>>(
    document.paths,
  ).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, { requestBody }]) =>
      requestBody === undefined ? [] : [[`${method} ${path}`, requestBody.content] as const],
    ),
  );
  expect(bodies.length).toBeGreaterThan(30);
  const loose = bodies.flatMap(([where, content]) =>
    unbounded(document, content).map((place) => `${where}: ${place}`),
  );
  expect(loose).toEqual([]);
});

describe('beyond a bound the answer names it', () => {
  const run = `${list}1/run/`;
  const messages = '/actors/v2/pipelinejobs-manager/messages';
  const uuid = '106c0ffe-0000-5000-8000-000000000001';
  const process = { type: 'process', process_definition: 1 };
  const script = Object.fromEntries(
    ['project', 'subject', 'session', 'host', 'user', 'pwd', 'script'].map((key) => [key, 'x']),
  );
  const map = <T>(count: number, value: T) => Object.fromEntries(many(count, (n) => [`V${n}`, value]));
  const numbers = (count: number) => `[${'1,'.repeat(count - 1)}1]`;
  const step = { name: 'a', process_definition: 1 };

  test.each<[string, string, string, string | object, number, RegExp]>([
    ['variables of a run', 'POST', run, { environment: map(1001, 'x') }, 400, /environment.*1,000 keys/],
    ['the name of one', 'POST', run, { environment: { ['V'.repeat(256)]: 'x' } }, 400, /255 characters/],
    ['the value of one', 'POST', run, { environment: { V: 'x'.repeat(131_072) } }, 400, /131,071 characters/],
    [
      'a URL of an input',
      'POST',
      run,
      { input: { url: `http://a/${'x'.repeat(9000)}` } },
      400,
      /8,192 characters/,
    ],
    [
      'metadata',
      'POST',
      list,
      `{"definition": {"exec": "a", "metadata": {"m": ${numbers(60_000)}}}}`,
      413,
      /^\/definition\/metadata\/m: .*50,000 values/,
    ],
    [
      'keys of metadata',
      'POST',
      list,
      { definition: { exec: 'a', metadata: map(10_001, 1) } },
      413,
      /metadata: .*10,000 keys/,
    ],
    [
      'variables of a step',
      'POST',
      '/api/pipeline/',
      { name: 'p', steps: [{ ...step, environment: map(1001, 'x') }] },
      400,
      /1,000 keys/,
    ],
    ['an unknown key', 'POST', list, { ['k'.repeat(900)]: 1 }, 400, /^\/k{900}: unknown key/],
    ['a long key', 'POST', list, { ['k'.repeat(2_000_000)]: 1 }, 400, /1,000 characters; "k{60}…"/],
    [
      'a long word',
      'POST',
      list,
      { definition: { exec: 'a', executor: 'l'.repeat(3_000_000) } },
      400,
      /"l{60}…"/,
    ],
    ['tasks', 'POST', '/tasks', many(1001, () => process), 400, /1,000 items, not 1001/],
    ['ids of tasks', 'POST', '/tasks', many(1001, () => uuid), 400, /1,000 items, not 1001/],
    ['pipelines', 'POST', '/pipeline', many(1001, () => script), 400, /1,000 items, not 1001/],
    ['ids of instances', 'GET', '/instance', many(1001, () => ({ id: 'x' })), 400, /1,000 items, not 1001/],
    [
      'options of a task',
      'POST',
      '/tasks',
      { type: 'xnat', ...script, options: "'a' ".repeat(40_000) },
      400,
      /options .*131,071 characters/,
    ],
    [
      'files of a task',
      'POST',
      '/tasks',
      { type: 'xnat', ...script, files: many(1001, () => 'f') },
      400,
      /1,000 items/,
    ],
    [
      'a field of a task',
      'POST',
      '/tasks',
      { type: 'xnat', ...script, host: 'h'.repeat(5000) },
      400,
      /4,096 characters/,
    ],
    ['variables of a task', 'POST', '/tasks', { ...process, environment: map(1001, 'x') }, 400, /1,000 keys/],
    ['data of a job', 'POST', messages, { pipeline_uuid: uuid, data: map(10_001, 1.5) }, 413, /10,000 keys/],
    [
      'parents of a job',
      'POST',
      messages,
      { pipeline_uuid: uuid, data: {}, child_of: many(1001, () => uuid) },
      400,
      /1,000 items/,
    ],
    ['files for a node', 'POST', '/v0.6/run', { input: map(10_001, 'x') }, 413, /input: .*10,000 keys/],
    ['numbers for a node', 'POST', '/v0.6/echo', numbers(100_001), 413, /100,000 values/],
    ['levels for a node', 'POST', '/v0.6/echo', `${'['.repeat(300)}${']'.repeat(300)}`, 400, /200 levels/],
    [
      'who asks a node',
      'POST',
      '/v0.6/testcalc',
      { creator: 'c'.repeat(2000), input: { classID: 'x' } },
      200,
      /1,000 characters/,
    ],
  ])('%s', async (_what, method, path, body, status, words) => {
    const answer = await ask(server, path, {
      method,
      headers: { 'Content-Type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const { json } = answer;
    const told = json.detail ?? json.content ?? json.message;
    expect([answer.status, typeof told === 'string' ? told : JSON.stringify(told)]).toEqual([
      status,
      expect.stringMatching(words),
    ]);
    expect(answer.text.length).toBeLessThan(20_000);
  });
});
