import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

/** A query parameter that a route does not use is refused, on every route, before anything is done. */
interface Parameter {
  name: string;
  in: string;
  schema: { additionalProperties?: unknown };
}
interface Operation {
  method: string;
  path: string;
  taken: Parameter[];
}
const definitions = '/api/process_definition/';
let server: TestServer;
let operations: Operation[];

beforeAll(async () => {
  server = await startServer();
  const { paths } = (await ask(server, '/api/openapi.json', { as: null })).json as {
    paths: Record<string, Record<string, { parameters?: Parameter[] }>>;
  };
  operations = Object.entries(paths).flatMap(([template, { parameters: shared, ...item }]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: template.replace('{actor}', 'pipelinejobs-manager').replace(/\{\w+\}/g, '1'),
      taken: [...((shared ?? []) as Parameter[]), ...(operation.parameters ?? [])].filter(
        (parameter) => parameter.in === 'query',
      ),
    })),
  );
});
afterAll(() => server.remove());
const call = (method: string, path: string, options: Ask = {}) => ask(server, path, { method, ...options });
const takesAll = ({ taken }: Operation) =>
  taken.some(({ schema }) => schema.additionalProperties !== undefined);
const told = (text: string, name: string) =>
  text.includes(`'${name}'`) && /Unknown parameter|There is no field/.test(text);

describe('every operation of the API', () => {
  test('refuses what it does not declare, with its name, in the words of its dialect', async () => {
    expect(operations.length).toBeGreaterThan(100);
    const through: string[] = [];
    for (const operation of operations.filter((one) => !takesAll(one))) {
      const { method, path } = operation;
      const slashless = path.replace(/(.)\/$/, '$1');
      for (const [place, verb] of [
        [path, method],
        [slashless, method],
        ...(method === 'GET' ? [[path, 'HEAD']] : []),
      ] as [string, string][]) {
        const answer = await call(verb, `${place}?colour=red`);
        const named = verb === 'HEAD' || told(answer.text, 'colour');
        if (answer.status !== 400 || !named)
          through.push(`${verb} ${place}: ${answer.status} ${answer.text}`);
      }
    }
    expect(through).toEqual([]);
  });

  test('takes what it declares, and _ besides, in whatever it then finds wrong', async () => {
    const refused: string[] = [];
    for (const { method, path, taken } of operations.filter(({ method: verb }) => verb === 'GET')) {
      for (const name of [...taken.map((parameter) => parameter.name), '_', 'format']) {
        const value = name === 'follow' ? '0' : name === 'format' ? 'json' : 'x';
        const answer = await call(method, `${path}?${name}=${value}`);
        if (told(answer.text, name)) refused.push(`${path}?${name}: ${answer.text}`);
      }
    }
    expect(refused).toEqual([]);
  });

  test('only a message to the manager takes anything: platforms add to its URL what they like', async () => {
    expect(operations.filter(takesAll).map(({ method, path }) => `${method} ${path}`)).toEqual([
      'POST /actors/v2/pipelinejobs-manager/messages',
    ]);
    const answer = await call('POST', '/actors/v2/pipelinejobs-manager/messages?jobId=7&pretty=true', {
      json: {},
    });
    expect(answer.json.message).not.toContain('jobId');
  });
});

describe('nothing is done of what was asked for with a parameter too many', () => {
  test.each([
    'limit=1',
    'offset=2',
    'order_by=-name',
    'sort_by=name',
    'nmae__startswith=p',
    'follow=1',
  ])('DELETE and PUT of a list, ?%s', async (query) => {
    for (const name of ['p1', 'p2']) await server.register({ exec: '/bin/true', name });
    const before = (await ask(server, `${definitions}?limit=1`)).json.meta.total_count;
    for (const [method, options] of [
      ['DELETE', {}],
      ['PUT', { json: { objects: [] } }],
    ] as const) {
      const answer = await call(method, `${definitions}?name__startswith=p&${query}`, options);
      expect([method, answer.status, answer.json.errors[0].pointer]).toEqual([
        method,
        400,
        `?${query.split('=')[0]}`,
      ]);
    }
    expect((await ask(server, `${definitions}?limit=1`)).json.meta.total_count).toBe(before);
  });

  test('changes, runs and new objects', async () => {
    const id = await server.register({ exec: '/bin/true', name: 'kept' });
    const jobs = async () => (await ask(server, '/api/job/?limit=1')).json.meta.total_count;
    const [before, all] = [await jobs(), (await ask(server, definitions)).json.meta.total_count];
    const json = { name: 'changed', definition: { exec: '/bin/false' } };
    for (const [method, path, options] of [
      ['POST', definitions, { json }],
      ['PATCH', definitions, { json: { objects: [json] } }],
      ['PATCH', `${definitions}${id}/`, { json }],
      ['PUT', `${definitions}${id}/`, { json }],
      ['DELETE', `${definitions}${id}/`, {}],
      ['POST', `${definitions}${id}/run/`, { body: 'x' }],
    ] as const) {
      const answer = await call(method, `${path}?dry-run=1`, options);
      expect([method, path, answer.status]).toEqual([method, path, 400]);
    }
    expect((await ask(server, `${definitions}${id}/`)).json).toMatchObject({ name: 'kept', revision: 1 });
    expect([await jobs(), (await ask(server, definitions)).json.meta.total_count]).toEqual([before, all]);
  });

  test('a name that is nearly right is told, and a long one is cut', async () => {
    const id = await server.register({ exec: '/bin/true' });
    const near = await call('POST', `${definitions}${id}/run/?outptu=raw&wait=1`, { body: 'x' });
    expect(near.json.error).toContain("Did you mean 'output'?");
    const long = await call('POST', `${definitions}${id}/run/?${'x'.repeat(5000)}=1`, { body: 'x' });
    expect(long.status).toBe(400);
    expect(long.text.length).toBeLessThan(1000);
  });
});

describe('what has a meaning only beside another parameter is refused without it', () => {
  test.each([
    ['/api/job/?last_event_id=3', '?last_event_id'],
    ['/api/job/?follow=0&last_event_id=3', '?last_event_id'],
    ['/api/job/?follow=1&limit=3', '?limit'],
    ['/api/job/?follow=1&order_by=created', '?order_by'],
    ['/api/job/UUID/?until=ready', '?until'],
    ['/api/job/UUID/history/?last_event_id=1', '?last_event_id'],
    ['/api/job/UUID/stdout/?last_event_id=1', '?last_event_id'],
  ])('%s', async (path, pointer) => {
    const id = await server.register({ exec: '/bin/true' });
    const { uuid } = (await call('POST', `${definitions}${id}/run/?wait=30`, { body: '' })).json;
    const answer = await ask(server, path.replace('UUID', uuid), { hangUp: true });
    expect([answer.status, answer.json?.errors?.[0]?.pointer]).toEqual([400, pointer]);
  });
});

describe('lists of ids', () => {
  test('thousands of them, page by page; none at all', async () => {
    const many = Array.from({ length: 2600 }, (_, index) => index + 1).join(',');
    const made = [];
    for (let number = 0; number < 3; number += 1)
      made.push(await server.register({ exec: `/bin/e${number}` }));
    const first = await ask(server, `${definitions}?id__in=${many}&exec__startswith=/bin/e&limit=2`);
    expect([first.status, first.json.meta.total_count]).toEqual([200, 3]);
    const second = await ask(server, first.json.meta.next);
    expect([...first.json.objects, ...second.json.objects].map(({ id }) => id)).toEqual(made);
    for (const path of [
      `${definitions}?id__in=`,
      '/api/job/?uuid__in=',
      '/api/job/?state__in=&process_definition__in=',
    ]) {
      const none = await ask(server, path);
      expect([path, none.status, none.json.objects, none.json.meta.total_count]).toEqual([path, 200, [], 0]);
    }
    expect((await call('DELETE', `${definitions}?id__in=`)).status).toBe(204);
    expect((await ask(server, `${definitions}?id__in=${made.join(',')}`)).json.meta.total_count).toBe(3);
  });

  test('a page far beyond everything is empty', async () => {
    const page = await ask(server, `/api/job/?limit=1${'0'.repeat(30)}&offset=1${'0'.repeat(30)}`);
    expect([page.status, page.json.objects, page.json.meta.limit]).toEqual([200, [], 1000]);
  });
});
