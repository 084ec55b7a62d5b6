import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeOperation, makeStream, operationOf } from '../../support/operations.js';
import { atPace } from '../../support/pace.js';
import { type Login, startServer, type TestServer } from '../../support/server.js';

let server: TestServer;
let definition: number;
let alice: Login;
beforeAll(async () => {
  server = await startServer();
  alice = await server.addUser('alice');
  definition = await server.register({ exec: 'cat' });
  for (const name of ['readings', 'results', 'dead']) await makeStream(server, name);
  await makeStream(server, 'hers', {}, alice);
});
afterAll(() => server.remove());

let names = 0;
const fresh = (more: object = {}) => {
  names += 1;
  return {
    name: `operation ${names}`,
    process_definition: definition,
    input_stream: 'readings',
    output_stream: 'results',
    ...more,
  };
};
const post = (json: unknown, as?: Login) => server.fetch('/api/operation/', { json, ...(as ? { as } : {}) });
const patch = (id: number, json: unknown, as?: Login) =>
  server.fetch(`/api/operation/${id}/`, { method: 'PATCH', json, ...(as ? { as } : {}) });

test('an operation is shown with all that it does not say filled in', async () => {
  const id = await makeOperation(server, fresh());
  expect(await operationOf(server, id)).toEqual({
    id,
    name: `operation ${names}`,
    owner: 'root',
    process_definition: `/api/process_definition/${definition}/`,
    process_type: 'single',
    input_stream: 'readings',
    output_stream: 'results',
    active: true,
    framing: 'line',
    answers: 'one',
    content_type: null,
    prefetch: null,
    concurrency: 1,
    max_deliveries: 5,
    dead_letters: null,
    inputs: {},
    state: 'running',
    reason: null,
    service: null,
    counts: { received: 0, redelivered: 0, published: 0, failed: 0, dead: 0 },
    lag: { ready: 0, unsettled: 0 },
    created: expect.any(String),
    updated: expect.any(String),
    resource_uri: `/api/operation/${id}/`,
  });
});

test('what is read may be sent back; the keys of the older system are known', async () => {
  const { process_definition: _, ...more } = fresh({ archive: null, process_definition_id: definition });
  const id = await makeOperation(server, more);
  const read = await operationOf(server, id);
  const answer = await server.fetch(`/api/operation/${id}/`, {
    method: 'PUT',
    json: { ...read, concurrency: 3 },
  });
  expect(answer.status).toBe(204);
  expect(await operationOf(server, id)).toMatchObject({ concurrency: 3, name: read.name, state: 'running' });
  expect((await patch(id, { output_stream: null, active: false })).status).toBe(202);
  expect(await operationOf(server, id)).toMatchObject({
    output_stream: null,
    active: false,
    state: 'inactive',
    concurrency: 3,
  });
});

describe('what is wrong is said with its place', () => {
  test.each<[string, object, string, RegExp]>([
    ['no name', { name: undefined }, '/name', /missing/],
    ['a name of control characters', { name: 'a\nb' }, '/name', /control/],
    ['no definition', { process_definition: undefined }, '/process_definition', /missing/],
    [
      'a definition that is none',
      { process_definition: 999 },
      '/process_definition',
      /no process definition 999/,
    ],
    ['another noun', { process_definition: '/api/job/1/' }, '/process_definition', /no process definition/],
    ['two definitions', { process_definition_id: 999 }, '/process_definition_id', /different definition/],
    ['no input', { input_stream: undefined }, '/input_stream', /missing/],
    ['a misspelt stream', { input_stream: 'readngs' }, '/input_stream', /did you mean "readings"/],
    ["somebody else's stream", { output_stream: 'hers' }, '/output_stream', /no stream "hers"/],
    ['its own output for the dead', { dead_letters: 'results' }, '/dead_letters', /output stream/],
    ['an unknown stream', { dead_letters: 'elsewhere' }, '/dead_letters', /create it first/],
    ['its own input', { output_stream: 'readings' }, '/output_stream', /circulate forever/],
    ['its own input for the dead', { dead_letters: 'readings' }, '/dead_letters', /circulate forever/],
    ['a framing that is none', { framing: 'lines' }, '/framing', /did you mean "line"/],
    [
      'answers without a framing',
      { framing: 'none', answers: 'one' },
      '/answers',
      /end of an answer is unknown/,
    ],
    ['a prefetch of nothing', { prefetch: 0 }, '/prefetch', /1/],
    ['a type that is none', { content_type: 'text' }, '/content_type', /media type/],
    ['an unknown key', { concurency: 2 }, '/concurency', /did you mean "concurrency"/],
    ['an archive', { archive: 's3://x' }, '/archive', /null/],
  ])('%s', async (_what, more, pointer, detail) => {
    const answer = await post(fresh(more));
    const { errors } = (await answer.json()) as { errors: { pointer: string; detail: string }[] };
    expect([answer.status, errors[0]?.pointer]).toEqual([400, pointer]);
    expect(errors[0]?.detail).toMatch(detail);
  });

  test('a definition that cannot be given messages', async () => {
    const definitions = [
      {
        exec: 'cat',
        argv: ['${input_file}'],
        process_type: 'service',
        input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
      },
      { exec: 'cat', argv: ['${input_file.left}'] },
      { exec: 'cat', process_type: 'service', service: { ready: { line: 'there' } } },
    ];
    for (const document of definitions) {
      const answer = await post(fresh({ process_definition: await server.register(document) }));
      expect([answer.status, await answer.json()]).toMatchObject([
        400,
        {
          errors: [
            { pointer: '/process_definition', detail: expect.stringContaining('cannot be given messages') },
          ],
        },
      ]);
    }
  });

  test('a body that is no object, a list, a name that is taken', async () => {
    expect((await post('text')).status).toBe(400);
    expect((await post([fresh()])).status).toBe(400);
    const body = fresh();
    expect((await post(body)).status).toBe(201);
    const again = await post(body);
    expect([again.status, await again.json()]).toMatchObject([
      409,
      { detail: expect.stringContaining('already') },
    ]);
  });

  test('the input stays what it was', async () => {
    const id = await makeOperation(server, fresh());
    const answer = await patch(id, { input_stream: 'results', output_stream: null });
    expect([answer.status, await answer.json()]).toMatchObject([
      400,
      { errors: [{ pointer: '/input_stream' }] },
    ]);
    expect((await patch(id, { input_stream: 'readings' })).status).toBe(202);
  });
});

test('nobody sees, changes, starts or removes the operation of another; an admin does', async () => {
  const hers = await server.register({ exec: 'cat' }, alice);
  const mine = await makeOperation(server, fresh());
  const id = await makeOperation(
    server,
    { name: 'hers', process_definition: hers, input_stream: 'hers' },
    alice,
  );
  for (const [method, path] of [
    ['GET', ''],
    ['PATCH', ''],
    ['PUT', ''],
    ['DELETE', ''],
    ['POST', 'start/'],
    ['POST', 'stop/'],
    ['GET', 'dead_letters/'],
    ['DELETE', 'dead_letters/'],
    ['POST', 'dead_letters/replay/'],
  ] as const) {
    const json = method === 'PATCH' || method === 'PUT' ? { json: { active: false } } : {};
    const answer = await server.fetch(`/api/operation/${mine}/${path}`, { method, as: alice, ...json });
    expect([method, path, answer.status]).toEqual([method, path, 404]);
    const asked = await server.fetch(`/api/operation/${id}/${path}`, { method: 'GET', as: null });
    expect([401, 405]).toContain(asked.status);
  }
  expect((await post({ ...fresh(), process_definition: hers }, alice)).status).toBe(400);
  expect(
    (await post({ name: 'x', process_definition: definition, input_stream: 'hers' }, alice)).status,
  ).toBe(400);
  const list = async (as: Login) => {
    const { objects } = (await (await server.fetch('/api/operation/?limit=0', { as })).json()) as {
      objects: { id: number }[];
    };
    return objects.map((each) => each.id);
  };
  expect(await list(alice)).toEqual([id]);
  expect(await list(server.admin)).toEqual(expect.arrayContaining([id, mine]));
  expect((await patch(id, { active: false })).status).toBe(202);
});

test('what an operation uses stays: its definition, its streams, its owner', async () => {
  const bob = await server.addUser('bob');
  const his = await server.register({ exec: 'cat' }, bob);
  for (const name of ['in-b', 'out-b', 'dead-b']) await makeStream(server, name, {}, bob);
  const id = await makeOperation(
    server,
    {
      name: 'his',
      process_definition: his,
      input_stream: 'in-b',
      output_stream: 'out-b',
      dead_letters: 'dead-b',
    },
    bob,
  );
  const paths = [`process_definition/${his}`, 'stream/in-b', 'stream/out-b', 'stream/dead-b'];
  for (const path of paths) {
    const answer = await server.fetch(`/api/${path}/`, { method: 'DELETE' });
    const { detail = '' } = (await answer.json()) as { detail?: string };
    expect([path, answer.status]).toEqual([path, 409]);
    expect(detail).toContain('his');
  }
  const turned = await server.fetch(`/api/process_definition/${his}/`, {
    method: 'PUT',
    json: { definition: { exec: 'cat', process_type: 'service' } },
  });
  expect(turned.status).toBe(409);
  const all = await server.fetch('/api/process_definition/?owner=bob', { method: 'DELETE', as: bob });
  expect(all.status).toBe(409);
  expect((await server.fetch(`/api/operation/${id}/`, { method: 'DELETE', as: bob })).status).toBe(204);
  expect((await server.fetch(`/api/operation/${id}/`)).status).toBe(404);
  for (const path of paths)
    expect((await server.fetch(`/api/${path}/`, { method: 'DELETE' })).status).toBe(204);
});

test('filters, order and numbers', async () => {
  const id = await makeOperation(server, fresh({ active: false, name: 'zzz' }));
  const query = async (text: string) => {
    const answer = await server.fetch(`/api/operation/?${text}`);
    return ((await answer.json()) as { objects?: { id: number }[] }).objects?.map((each) => each.id);
  };
  expect(await query('name=zzz')).toEqual([id]);
  expect((await query('order_by=-name&limit=1'))?.[0]).toBe(id);
  expect(await query('active=false&input_stream=readings')).toContain(id);
  expect(await query(`process_definition=${definition}&process_type=service`)).toEqual([]);
  expect((await server.fetch('/api/operation/?state=running')).status).toBe(400);
  const text = await (await server.fetch('/metrics')).text();
  expect(text).toMatch(/penstock_operations\{state="running"\} [1-9]/);
  expect(text).toMatch(/penstock_operation_messages_total\{operation="\d+",result="received"\} 0/);
});

test('an operation that was removed leaves no queue and no stream of dead letters', async () => {
  const failing = await server.register({ exec: 'false' });
  await makeStream(server, 'in-r');
  const id = await makeOperation(server, {
    name: 'removed',
    process_definition: failing,
    input_stream: 'in-r',
  });
  const streams = async () => {
    const { objects } = (await (await server.fetch('/api/stream/?limit=0')).json()) as {
      objects: { name: string }[];
    };
    return objects.map(({ name }) => name);
  };
  await server.fetch('/api/stream/in-r/messages/', { method: 'POST', body: 'x' });
  const letters = async () =>
    (await (await server.fetch(`/api/operation/${id}/dead_letters/`)).json()) as {
      stream: string;
      total: number;
    };
  await expect.poll(async () => (await letters()).total, { timeout: atPace(60_000) }).toBe(1);
  const { stream } = await letters();
  expect(await streams()).toContain(stream);
  expect((await server.fetch(`/api/operation/${id}/`, { method: 'DELETE' })).status).toBe(204);
  expect(await streams()).not.toContain(stream);
  const { queues } = (await (await server.fetch('/api/stream/in-r/')).json()) as { queues: unknown[] };
  expect(queues).toEqual([]);
});
