import http from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../support/raw.js';
import { type Login, startServer, type TestServer } from '../support/server.js';

/** What part 2 of the registry's conventions says about reading, for the resource that the registry had. */
const prefix = '/api/process_definition/';
let server: TestServer;
let alice: Login;
let bob: Login;
const get = (path: string, options: Ask = {}) => ask(server, path, { as: alice, ...options });

beforeAll(async () => {
  server = await startServer();
  alice = await server.addUser('alice');
  bob = await server.addUser('bob');
  for (let number = 1; number <= 5; number += 1) {
    await server.register({ exec: `/bin/prog${number}`, name: `n${number}` }, alice);
  }
  await server.register({ exec: '/bin/bobs' }, bob);
});
afterAll(() => server.remove());

describe('order of checks', () => {
  test.each([
    [prefix, 'GET,POST,PUT,DELETE,PATCH'],
    [`${prefix}1/`, 'GET,POST,PUT,DELETE,PATCH'],
    [`${prefix}schema/`, 'GET'],
    [`${prefix}set/1;2/`, 'GET'],
    [`${prefix}1/run/`, 'POST'],
    [`${prefix}1/revisions/`, 'GET'],
  ])('OPTIONS %s needs no login and lists %s', async (path, allow) => {
    const answer = await get(path, { method: 'OPTIONS', as: null });
    expect(answer.status).toBe(200);
    expect(answer.headers.allow).toBe(allow);
    expect(answer.text).toBe(allow);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
  });

  test.each(['TRACE', 'PROPFIND', 'PURGE'])('%s is 405, before any login', async (method) => {
    const answer = await get(prefix, { method, as: null });
    expect(answer.status).toBe(405);
    expect(answer.headers.allow).toBe('GET,POST,PUT,DELETE,PATCH');
    expect(answer.json.error).toContain(method);
  });

  test('the login comes before the body', async () => {
    const answer = await get(prefix, { method: 'POST', body: '{', as: null });
    expect(answer.status).toBe(401);
  });

  test('a POST can become a PUT, PATCH or DELETE by its header', async () => {
    const as = (method: string, path: string, body: string) => {
      const headers = { 'X-HTTP-Method-Override': method, 'Content-Type': 'application/json' };
      return get(path, { method: 'POST', headers, body });
    };
    const { json } = await get(`${prefix}?name=n5`);
    const [{ id, definition }] = json.objects;
    expect((await as('patch', `${prefix}${id}/`, '{"name": "patched"}')).status).toBe(202);
    expect((await get(`${prefix}${id}/`)).json.name).toBe('patched');
    expect((await as(' PUT ', `${prefix}${id}/`, JSON.stringify({ name: 'n5', definition }))).status).toBe(
      204,
    );
    expect((await get(`${prefix}${id}/`)).json.name).toBe('n5');
    expect((await as('DELETE', `${prefix}?name=none-such`, '')).status).toBe(204);
    expect((await as('DELETE', '/api/job/none-such/', '')).status).toBe(404);
  });

  test.each([
    ['POST', 'GET'],
    ['POST', 'get'],
    ['POST', 'HEAD'],
    ['POST', 'OPTIONS'],
    ['POST', 'POST'],
    ['POST', 'BREW'],
    ['POST', ''],
    ['GET', 'DELETE'],
    ['PUT', 'DELETE'],
    ['GET', 'GET'],
  ])('nothing else can be made of anything by it: a %s into %s', async (method, asked) => {
    const headers = { 'X-HTTP-Method-Override': asked };
    for (const path of [prefix, `${prefix}1/`, `${prefix}schema/`, '/healthz', '/tasks', '/v0.6/run']) {
      const answer = await get(path, { method, headers, ...(method === 'GET' ? {} : { body: '{}' }) });
      expect([path, answer.status]).toEqual([path, 405]);
      expect(answer.headers.allow).toMatch(/GET|POST/);
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
    }
    expect((await get(prefix)).json.meta.total_count).toBe(5);
  });

  test('a connection that is kept tells each answer from the next, whatever the header asked for', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (const asked of ['HEAD', 'DELETE', 'GET', 'TRACE']) {
        const headers = { 'X-HTTP-Method-Override': asked };
        const path = `${prefix}?name=none-such`;
        const first = await get(path, { method: 'POST', body: '', headers, agent });
        expect(first.status).toBe(asked === 'DELETE' ? 204 : 405);
        const next = await get(`${prefix}1/`, { agent });
        expect([next.status, next.json.id]).toEqual([200, 1]);
      }
    } finally {
      agent.destroy();
    }
  });
});

describe('login', () => {
  test.each<[string, string | undefined]>([
    ['none', undefined],
    ['another scheme', 'Digest abc'],
    ['no base64', 'Basic'],
    ['not decodable', 'Basic %%%%'],
    ['no colon', `Basic ${btoa('alice')}`],
    ['no user', `Basic ${btoa(':x')}`],
    ['no password', `Basic ${btoa('alice:')}`],
    ['unknown user', `Basic ${btoa('nobody:x')}`],
    ['unknown token', 'Bearer pst_wrong'],
    ['a scheme with Basic inside', `XBasic ${btoa('alice:password of alice')}`],
  ])('%s: 401 with the header letter for letter', async (_name, authorization) => {
    const answer = await get(prefix, {
      as: null,
      headers: authorization === undefined ? {} : { Authorization: authorization },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Basic Realm="django-tastypie"');
    expect(answer.json).toMatchObject({ status: 401, type: '/api/docs/errors/#unauthenticated' });
    expect(Object.keys(answer.headers)).not.toContain('cache-control');
  });

  test('the name of the scheme is not case sensitive', async () => {
    const headers = { Authorization: `bAsIc ${btoa('alice:password of alice')}` };
    expect((await get(prefix, { as: null, headers })).status).toBe(200);
  });
});

describe('reading', () => {
  test("a list: bytes, headers, only the caller's objects", async () => {
    const answer = await get(`${prefix}?limit=1`);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers.vary).toBe('Accept');
    expect(answer.headers['cache-control']).toBe('no-cache');
    const time = '"[\\d-]+T[\\d:.]+Z"';
    expect(answer.text).toMatch(
      new RegExp(
        `^{"meta": {"limit": 1, "next": "/api/process_definition/\\?limit=1&offset=1", "offset": 0, "previous": null, "total_count": 5}, "objects": \\[{"created": ${time}, "definition": {"exec": "/bin/prog1", "name": "n1"}, "id": 1, "name": "n1", "owner": "alice", "resource_uri": "/api/process_definition/1/", "revision": 1, "updated": ${time}}\\]}$`,
      ),
    );
  });

  test('an admin sees all, another only their own; theirs is 404 to others', async () => {
    expect((await get(prefix, { as: server.admin })).json.meta.total_count).toBe(6);
    expect((await get(prefix, { as: bob })).json.meta.total_count).toBe(1);
    for (const method of ['GET', 'DELETE']) {
      const answer = await get(`${prefix}1/`, { as: bob, method });
      expect(answer.status).toBe(404);
      expect(answer.json.error).toContain('There is no process');
    }
    for (const method of ['PUT', 'PATCH']) {
      const answer = await get(`${prefix}1/`, { as: bob, method, json: { definition: { exec: 'x' } } });
      expect(answer.status).toBe(404);
    }
    expect((await get(`${prefix}1/`)).json.definition.exec).toBe('/bin/prog1');
  });

  test('with and without the last slash', async () => {
    for (const path of [prefix, `${prefix}1/`, `${prefix}schema/`, `${prefix}set/1;2/`]) {
      expect((await get(path.replace(/\/$/, ''))).text).toBe((await get(path)).text);
    }
  });

  test('HEAD is GET without the body', async () => {
    const [whole, head] = [await get(`${prefix}1/`), await get(`${prefix}1/`, { method: 'HEAD' })];
    expect(head.status).toBe(200);
    expect(head.body).toHaveLength(0);
    expect(head.headers['content-length']).toBe(String(whole.body.length));
    expect(head.headers.etag).toBe(whole.headers.etag);
    expect((await get(`${prefix}999/`, { method: 'HEAD' })).status).toBe(404);
  });

  test('If-None-Match', async () => {
    const { etag = '' } = (await get(`${prefix}1/`)).headers;
    for (const value of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await get(`${prefix}1/`, { headers: { 'If-None-Match': value } });
      expect([value, answer.status, answer.headers.etag]).toEqual([value, 304, etag]);
    }
    expect((await get(`${prefix}1/`, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  });

  test('a set: in the order asked for, duplicates repeated, the missing named', async () => {
    const answer = await get(`${prefix}set/3;1;3;6;foo;99/`);
    expect(answer.json.objects.map(({ id }: { id: number }) => id)).toEqual([3, 1, 3]);
    expect(answer.json.not_found).toEqual(['6', 'foo', '99']);
    expect((await get(`${prefix}set/1/`)).json).not.toHaveProperty('not_found');
  });

  test('the schema', async () => {
    const { json } = await get(`${prefix}schema/`);
    expect(json).toMatchObject({
      allowed_detail_http_methods: ['get', 'post', 'put', 'delete', 'patch'],
      allowed_list_http_methods: ['get', 'post', 'put', 'delete', 'patch'],
      default_format: 'application/json',
      default_limit: 20,
    });
    expect(json.fields.id).toMatchObject({ type: 'integer', blank: true, default: '', unique: true });
    expect(json.fields.resource_uri).toMatchObject({ type: 'string', readonly: true });
    const keys = [
      'blank',
      'default',
      'help_text',
      'nullable',
      'primary_key',
      'readonly',
      'type',
      'unique',
      'verbose_name',
    ];
    for (const field of Object.values(json.fields) as object[]) expect(Object.keys(field)).toEqual(keys);
    expect((await get(`${prefix}schema/`, { as: null })).status).toBe(401);
  });

  test('the index lists every noun, without a login', async () => {
    const { json } = await get('/api/', { as: null });
    expect(json.process_definition).toEqual({ list_endpoint: prefix, schema: `${prefix}schema/` });
    const full = (await get('/api/?fullschema=true', { as: null })).json;
    expect(full.process_definition.schema.fields).toHaveProperty('definition');
  });

  test.each([
    'text/html',
    '*/*',
    'application/xml;q=0.9',
    'application/json',
    '*',
    '*;q=.2',
    'text/html, image/gif, image/png, *; q=0.5, */*; q=.1',
    'application/json, text/javascript, */*; q=0.01',
    'text/plain; charset="a,b", text/html;level="1;,2"',
    '',
    ' , ',
  ])('Accept: %s gets JSON', async (accept) => {
    expect((await get(prefix, { headers: { Accept: accept } })).headers['content-type']).toBe(
      'application/json',
    );
  });
});

describe('what libraries add', () => {
  const paths = [
    prefix,
    `${prefix}1/`,
    `${prefix}schema/`,
    `${prefix}set/1/`,
    '/api/job/',
    '/api/',
    '/tasks',
    '/healthz',
  ];

  test.each(['_=1', '_=1700000000000&_=2', '_='])('?%s of jQuery means nothing', async (query) => {
    for (const path of paths) {
      const answer = await get(`${path}?${query}`);
      expect([path, answer.status]).toEqual([path, 200]);
    }
    const { json } = await get(`${prefix}?${query}&order_by=-id`);
    expect(json.objects.map(({ name }: { name: string }) => name)).toEqual(['n5', 'n4', 'n3', 'n2', 'n1']);
  });

  test('?format= may be json, and nothing else', async () => {
    for (const path of paths) {
      expect([path, (await get(`${path}?format=json`)).status]).toEqual([path, 200]);
      for (const format of ['xml', 'yaml', 'jsonp', 'plist', 'JSON', '']) {
        const answer = await get(`${path}?format=${format}`);
        expect([path, format, answer.status]).toEqual([path, format, 400]);
        expect(answer.text).toContain('json');
      }
    }
    expect((await get(`${prefix}?format=xml&format=json`)).status).toBe(400);
  });

  test('a program of Java gets the scheduler at /, a browser the pages', async () => {
    const accept = (Accept: string) => get('/', { as: null, headers: { Accept } });
    for (const theirs of ['*', 'text/html, image/gif, image/jpeg, *; q=.3, */*; q=.3', '*/*'])
      expect((await accept(theirs)).json).toEqual({ request: 'success', content: 'A cloudy day!' });
    expect((await accept('text/html,application/xhtml+xml,*/*;q=0.8')).status).toBe(302);
  });
});

describe('pages', () => {
  const ids = (answer: Awaited<ReturnType<typeof get>>) =>
    answer.json.objects.map((o: { id: number }) => o.id);

  test.each<[string, number, number, string | null, string | null, number[]]>([
    ['', 20, 0, null, null, [1, 2, 3, 4, 5]],
    ['?limit=2', 2, 0, '?limit=2&offset=2', null, [1, 2]],
    ['?limit=2&offset=1', 2, 1, '?limit=2&offset=3', null, [2, 3]],
    ['?limit=2&offset=2', 2, 2, '?limit=2&offset=4', '?limit=2&offset=0', [3, 4]],
    ['?limit=2&offset=4', 2, 4, null, '?limit=2&offset=2', [5]],
    ['?limit=2&offset=90', 2, 90, null, '?limit=2&offset=88', []],
    ['?limit=0', 1000, 0, null, null, [1, 2, 3, 4, 5]],
    ['?limit=5000', 1000, 0, null, null, [1, 2, 3, 4, 5]],
    ['?limit=1&limit=3&offset=9&offset=0', 3, 0, '?limit=3&offset=3', null, [1, 2, 3]],
    [
      '?name__in=n1,n2&limit=1&name__in=n3',
      1,
      0,
      '?name__in=n1%2Cn2&name__in=n3&limit=1&offset=1',
      null,
      [1],
    ],
    ['?offset=9007199254740991', 20, 9007199254740991, null, '?limit=20&offset=9007199254740971', []],
  ])('%s', async (query, limit, offset, next, previous, expected) => {
    const answer = await get(prefix + query);
    const total = query.includes('name__in') ? 3 : 5;
    const link = (text: string | null) => (text === null ? null : prefix + text);
    expect(answer.json?.meta).toEqual({
      limit,
      next: link(next),
      offset,
      previous: link(previous),
      total_count: total,
    });
    expect(ids(answer)).toEqual(expected);
  });

  test.each([
    'limit=',
    'limit=x',
    'limit=-1',
    'limit=1.5',
    'offset=-1',
    'offset=x',
    'limit=<b>',
    'offset=',
  ])('%s is refused, the value echoed, never as markup', async (query) => {
    const answer = await get(`${prefix}?${query.replace('<', '%3C').replace('>', '%3E')}`);
    expect(answer.status).toBe(400);
    expect(answer.json.error).toContain(`Invalid ${query.split('=')[0]}`);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
  });

  test.each<[string, number[]]>([
    ['order_by=-id', [5, 4, 3, 2, 1]],
    ['sort_by=-name', [5, 4, 3, 2, 1]],
    ['order_by=process_type&order_by=-exec', [5, 4, 3, 2, 1]],
    [Array(1200).fill('order_by=id').join('&'), [1, 2, 3, 4, 5]],
    ['name=n2', [2]],
    ['name=n2&name=n3', [3]],
    ['name__exact=n2', [2]],
    ['name__contains=3', [3]],
    ['exec__startswith=/bin/prog', [1, 2, 3, 4, 5]],
    ['id__gt=3', [4, 5]],
    ['id__gte=3&id__lt=5', [3, 4]],
    ['id__range=2,3', [2, 3]],
    ['id__range=2&id__range=4', [2, 3, 4]],
    ['id__in=1,5&id__in=3', [1, 3, 5]],
    ['application__isnull=true', [1, 2, 3, 4, 5]],
    ['application=None', [1, 2, 3, 4, 5]],
    ['application__isnull=False', []],
    ['process_type=single&owner=alice', [1, 2, 3, 4, 5]],
    ['owner=bob', []],
    ['exec=None', []],
    ['created__gt=2020-01-01&created__lt=2100-01-01T00:00:00', [1, 2, 3, 4, 5]],
    ['id__lt=99999999999999', [1, 2, 3, 4, 5]],
    ['id=3000000000', []],
    ['id__in=1,3000000000', [1]],
  ])('?%s', async (query, expected) => {
    const answer = await get(`${prefix}?${query}`);
    expect(answer.json?.error).toBeUndefined();
    expect(ids(answer)).toEqual(expected);
  });
});
