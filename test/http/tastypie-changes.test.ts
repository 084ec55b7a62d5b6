import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../support/raw.js';
import { type Login, startServer, type TestServer } from '../support/server.js';

/** What part 2 of the registry's conventions says about changing, for the resource that the registry had. */
const prefix = '/api/process_definition/';
const whole = { Prefer: 'return=representation' };
let server: TestServer;
let alice: Login;
let bob: Login;
const call = (method: string, path: string, json?: unknown, options: Ask = {}) =>
  ask(server, path, { as: alice, method, ...(json === undefined ? {} : { json }), ...options });
const read = async (id: number) => (await call('GET', `${prefix}${id}/`)).json;
const all = async (as = alice): Promise<number[]> =>
  (await call('GET', prefix, undefined, { as })).json.objects.map(({ id }: { id: number }) => id);

beforeAll(async () => {
  server = await startServer();
  alice = await server.addUser('alice');
  bob = await server.addUser('bob');
});
afterAll(() => server.remove());
beforeEach(async () => {
  expect((await call('DELETE', prefix)).status).toBe(204);
});
const add = (definition: object = { exec: 'cat' }, as = alice) => server.register(definition, as);

describe('POST', () => {
  test('201, an absolute Location, an empty body as of old', async () => {
    const answer = await call('POST', prefix, { definition: { exec: '/path/to/executable' } });
    expect(answer.status).toBe(201);
    expect(answer.text).toBe('');
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.headers.vary).toBe('Accept');
    const [id] = await all();
    expect(answer.headers.location).toBe(`${server.url}${prefix}${id}/`);
  });

  test('with Prefer the object is the body; what was sent is what is read back', async () => {
    const definition = { exec: 'cat', args: ['é', '☃'], metadata: { z: 1, a: [null, { b: false }] } };
    const answer = await call('POST', prefix, { definition }, { headers: whole });
    expect(answer.json).toMatchObject({ definition, revision: 1, owner: 'alice', name: null });
    expect(answer.text).toContain('"args": ["é", "☃"]');
    expect(answer.text).toContain('"metadata": {"a": [null, {"b": false}], "z": 1}');
  });

  test('numbers are read back as they were sent, whatever JavaScript would make of them', async () => {
    const numbers =
      '{"big": 98765432109876543210, "float": 2.0, "list": [0.50, -0, {"e": 6E+2}, 7], "plain": 1.5, "text": "3.0"}';
    const sent = `{"exec": "cat", "metadata": ${numbers}, "timeout": 30.0}`;
    const made = await call('POST', prefix, undefined, { body: `{"definition": ${sent}}`, headers: whole });
    expect(made.text).toContain(`"definition": ${sent}`);
    const path = made.headers.location ?? '';
    const back = async (place: string) => (await call('GET', place.replace(server.url, ''))).text;
    expect(await back(path)).toContain(`"definition": ${sent}`);
    expect(await back(prefix)).toContain(`"definition": ${sent}`);
    const other = sent.replace('2.0', '2');
    const patch = { body: `{"objects": [{"resource_uri": "${path}", "definition": ${other}}]}` };
    expect((await call('PATCH', prefix, undefined, patch)).status).toBe(202);
    await server.kill();
    await server.restart();
    expect(await back(path)).toContain(`"definition": ${other}`);
    const revisions = await back(`${path}revisions/`);
    expect(revisions).toContain(`"definition": ${sent}`);
    expect(revisions).toContain(`"definition": ${other}`);
    const run = await call('POST', `${path.replace(server.url, '')}run/?wait=20`, undefined, { body: 'x' });
    expect(run.json.state).toBe('FINISHED');
  });

  test('to one object: 501', async () => {
    expect((await call('POST', `${prefix}${await add()}/`, { definition: { exec: 'x' } })).status).toBe(501);
  });

  test('no content type counts as JSON; others are 415', async () => {
    const body = '{"definition": {"exec": "cat"}}';
    expect((await call('POST', prefix, undefined, { body })).status).toBe(201);
    for (const type of ['application/x-www-form-urlencoded', 'text/xml', 'multipart/form-data']) {
      const answer = await call('POST', prefix, undefined, { body, headers: { 'Content-Type': type } });
      expect([type, answer.status]).toEqual([type, 415]);
    }
    const charset = { 'Content-Type': 'application/json; charset=utf-8' };
    expect((await call('POST', prefix, undefined, { body, headers: charset })).status).toBe(201);
  });

  test('an id in the body never takes over a row, whoever sends it', async () => {
    const victim = await add({ exec: 'victim' }, bob);
    const evil = {
      id: victim,
      resource_uri: `${prefix}${victim}/`,
      owner: 'alice',
      definition: { exec: 'evil' },
    };
    const made = await call('POST', prefix, evil, { headers: whole });
    expect(made.status).toBe(201);
    expect(made.json.id).not.toBe(victim);
    expect((await call('PUT', `${prefix}900001/`, evil)).headers.location).toContain('/900001/');
    expect((await call('PUT', prefix, { objects: [evil] })).status).toBe(204);
    const kept = (await call('GET', `${prefix}${victim}/`, undefined, { as: bob })).json;
    expect(kept).toMatchObject({ id: victim, owner: 'bob', definition: { exec: 'victim' }, revision: 1 });
  });
});

describe('PUT and PATCH of one', () => {
  test('PUT merges: what is absent stays', async () => {
    const id = await add({ exec: 'cat' });
    expect((await call('PUT', `${prefix}${id}/`, { name: 'beside' })).status).toBe(204);
    expect(await read(id)).toMatchObject({ name: 'beside', revision: 1 });
    const answer = await call('PUT', `${prefix}${id}/`, { definition: { exec: 'tac' } }, { headers: whole });
    expect([answer.status, answer.json.revision, answer.json.name]).toEqual([200, 2, 'beside']);
    const { objects } = (await call('GET', `${prefix}${id}/revisions/`)).json;
    expect(objects.map((o: { definition: object }) => o.definition)).toEqual([
      { exec: 'cat' },
      { exec: 'tac' },
    ]);
  });

  test('a name inside the definition goes with it', async () => {
    const id = await add({ exec: 'cat', name: 'inside' });
    await call('PATCH', `${prefix}${id}/`, {});
    expect((await read(id)).name).toBe('inside');
    await call('PUT', `${prefix}${id}/`, { definition: { exec: 'cat' } });
    expect((await read(id)).name).toBeNull();
  });

  test('what was read may be sent back, and changes nothing', async () => {
    const id = await add({ exec: 'cat' });
    const before = await read(id);
    expect((await call('PUT', `${prefix}${id}/`, before)).status).toBe(204);
    expect({ ...(await read(id)), updated: '' }).toEqual({ ...before, updated: '' });
  });

  test("PUT under a free id creates that id; under another's it is 404", async () => {
    const answer = await call('PUT', `${prefix}4711/`, { definition: { exec: 'cat' } }, { headers: whole });
    expect([answer.status, answer.json.id]).toEqual([201, 4711]);
    expect(answer.headers.location).toBe(`${server.url}${prefix}4711/`);
    const theirs = await add({ exec: 'cat' }, bob);
    for (const id of [theirs, 'foo', 0, '1.5', '-1', 3_000_000_000, '999999999999999999']) {
      const refused = await call('PUT', `${prefix}${id}/`, { definition: { exec: 'x' } });
      expect([id, refused.status]).toEqual([id, 404]);
    }
    expect((await call('PUT', `${prefix}4712/`, {})).status).toBe(400);
  });

  test('another id in the body of a PUT is refused, in that of a PATCH ignored', async () => {
    const id = await add();
    const other = await add();
    const body = { id: other, definition: { exec: 'new' } };
    const refused = await call('PUT', `${prefix}${id}/`, body);
    expect([refused.status, refused.json.errors[0].pointer]).toEqual([400, '/id']);
    expect((await call('PATCH', `${prefix}${id}/`, body)).status).toBe(202);
    expect([(await read(id)).definition.exec, (await read(other)).definition.exec]).toEqual(['new', 'cat']);
    expect((await call('PATCH', `${prefix}999999/`, body)).status).toBe(404);
  });

  test('If-Match', async () => {
    const id = await add();
    const path = `${prefix}${id}/`;
    const { etag = '' } = (await call('GET', path)).headers;
    const matching = (value: string) => ({ headers: { 'If-Match': value } });
    expect((await call('PATCH', path, { name: 'x' }, matching('"old"'))).status).toBe(412);
    expect((await call('PATCH', path, { name: 'x' }, matching(etag))).status).toBe(202);
    expect((await call('PUT', path, { name: 'y' }, matching(etag))).status).toBe(412);
    expect((await call('DELETE', path, undefined, matching(etag))).status).toBe(412);
    expect((await call('PUT', `${prefix}99999/`, { definition: { exec: 'x' } }, matching('*'))).status).toBe(
      412,
    );
    expect((await call('DELETE', path, undefined, matching('*'))).status).toBe(204);
  });

  test('of many changes on the same ETag one is made', async () => {
    const id = await add();
    const { etag = '' } = (await call('GET', `${prefix}${id}/`)).headers;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, number) =>
        call('PATCH', `${prefix}${id}/`, { name: `n${number}` }, { headers: { 'If-Match': etag } }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array(7).fill(412)]);
  });
});

describe('several at once', () => {
  test("PUT replaces all of the caller's that the filters select", async () => {
    const theirs = await add({ exec: 'theirs' }, bob);
    const [kept] = [await add({ exec: 'kept' }), await add({ exec: 'gone' })];
    const objects = [{ definition: { exec: 'a' } }, { definition: { exec: 'b' } }];
    const answer = await call('PUT', `${prefix}?exec=gone`, { objects }, { headers: whole });
    expect(answer.status).toBe(200);
    expect(answer.json.objects.map((o: { definition: { exec: string } }) => o.definition.exec)).toEqual([
      'a',
      'b',
    ]);
    expect(await all()).toEqual([kept, ...answer.json.objects.map(({ id }: { id: number }) => id)]);
    expect((await call('PUT', prefix, { objects: [] })).status).toBe(204);
    expect(await all()).toEqual([]);
    expect(await all(bob)).toContain(theirs);
  });

  test('a list that was read can be sent back, by PUT and by PATCH: the same objects, unchanged', async () => {
    await add({ exec: 'a', metadata: { n: 1 } });
    await add({ exec: 'b', name: 'inside' });
    const page = (await call('GET', prefix)).json;
    for (const method of ['PUT', 'PATCH']) {
      expect((await call(method, prefix, page)).status).toBe(method === 'PUT' ? 204 : 202);
      const timeless = (list: typeof page) => ({
        ...list,
        objects: list.objects.map((one: object) => ({ ...one, updated: '' })),
      });
      expect(timeless((await call('GET', prefix)).json)).toEqual(timeless(page));
    }
  });

  test('a PUT keeps the ids that its items carry: existing ones, and those that are free', async () => {
    const [first, second, third] = [
      await add({ exec: 'a' }),
      await add({ exec: 'b' }),
      await add({ exec: 'c' }),
    ];
    const free = third + 50;
    const objects = [
      { id: String(first), definition: { exec: 'a2' } },
      { resource_uri: `${prefix}${second}/`, definition: { exec: 'b' }, name: 'beside' },
      { id: free, definition: { exec: 'free' } },
      { id: null, resource_uri: '', definition: { exec: 'new' } },
    ];
    const answer = await call('PUT', prefix, { objects }, { headers: whole });
    const ids = answer.json.objects.map(({ id }: { id: number }) => id);
    expect([answer.status, ids.slice(0, 3)]).toEqual([200, [first, second, free]]);
    expect(await all()).toEqual([...ids].sort((one, other) => one - other));
    expect(await read(first)).toMatchObject({ definition: { exec: 'a2' }, revision: 2 });
    expect(await read(second)).toMatchObject({ definition: { exec: 'b' }, revision: 1, name: 'beside' });
    const twice = { objects: [objects[0], { ...objects[0], resource_uri: null }] };
    expect((await call('PUT', prefix, twice)).status).toBe(400);
  });

  test('a PATCH item with an id of one’s own changes that one; with another’s, or none, it is new', async () => {
    const [mine, theirs] = [await add({ exec: 'mine' }), await add({ exec: 'theirs' }, bob)];
    const made = (exec: string) => ({ definition: { exec } });
    const objects = [
      { id: mine, name: 'changed' },
      { id: theirs, ...made('x') },
      { id: theirs + 1000, ...made('y') },
      { id: 'junk', ...made('z') },
    ];
    const answer = await call('PATCH', prefix, { objects }, { headers: whole });
    expect(answer.status).toBe(202);
    const ids = answer.json.objects.map(({ id }: { id: number }) => id);
    expect(ids[0]).toBe(mine);
    for (const id of ids.slice(1)) expect([mine, theirs, theirs + 1000]).not.toContain(id);
    expect(await read(mine)).toMatchObject({ name: 'changed', definition: { exec: 'mine' } });
    const kept = (await call('GET', `${prefix}${theirs}/`, undefined, { as: bob })).json;
    expect(kept).toMatchObject({ owner: 'bob', definition: { exec: 'theirs' }, revision: 1 });
    const both = { objects: [{ id: theirs, resource_uri: `${prefix}${mine}/`, name: 'by uri' }] };
    expect((await call('PATCH', prefix, both)).status).toBe(202);
    expect((await read(mine)).name).toBe('by uri');
  });

  test('what an operation runs stays under its id when the list that it is in is put back', async () => {
    const id = await add({ exec: 'cat' });
    const operation = { name: 'uses it', process_definition: id, input_stream: 'put-back' };
    expect((await call('PUT', '/api/stream/put-back/', {})).status).toBe(201);
    expect((await call('POST', '/api/operation/', operation)).status).toBe(201);
    expect((await call('PUT', prefix, { objects: [] })).status).toBe(409);
    expect((await call('PUT', prefix, (await call('GET', prefix)).json)).status).toBe(204);
    const [made] = (await call('GET', '/api/operation/')).json.objects;
    expect((await call('DELETE', `/api/operation/${made.id}/`)).status).toBe(204);
  });

  test('PUT and PATCH are all or nothing', async () => {
    const ids = [await add(), await add()];
    const bad = { definition: { exec: 5 } };
    expect((await call('PUT', prefix, { objects: [{ definition: { exec: 'x' } }, bad] })).status).toBe(400);
    const patch = { objects: [{ resource_uri: `${prefix}${ids[0]}/`, name: 'x' }, bad], deleted_objects: [] };
    expect((await call('PATCH', prefix, patch)).status).toBe(400);
    const uri = `${prefix}${ids[0]}/`;
    const twice = { objects: [{ resource_uri: uri, name: 'x' }], deleted_objects: [uri] };
    expect((await call('PATCH', prefix, twice)).status).toBe(400);
    for (const gone of ['/api/job/1/', `${prefix}99999/`, 5, null, `${prefix}1/2/`, 'x']) {
      const answer = await call('PATCH', prefix, {
        objects: [{ resource_uri: uri, name: 'x' }],
        deleted_objects: [gone],
      });
      expect([gone, answer.status]).toEqual([gone, 404]);
    }
    const foreign = { objects: [{ resource_uri: '/api/job/1/', definition: { exec: 'x' } }] };
    expect((await call('PATCH', prefix, foreign)).status).toBe(404);
    expect(await all()).toEqual(ids);
    expect((await read(ids[0] ?? 0)).name).toBeNull();
  });

  test('PATCH creates, changes and deletes', async () => {
    const [first, second] = [await add(), await add()];
    const answer = await call(
      'PATCH',
      prefix,
      {
        objects: [
          { definition: { exec: 'new' } },
          { resource_uri: `${server.url}${prefix}${first}`, name: 'changed' },
          { resource_uri: `${prefix}8888/`, definition: { exec: 'fresh' } },
        ],
        deleted_objects: [`${prefix}${second}/`],
      },
      { headers: whole },
    );
    expect([answer.status, answer.json?.error]).toEqual([202, undefined]);
    expect(answer.json.objects).toHaveLength(3);
    const left = await all();
    expect(left).toHaveLength(3);
    expect(left).not.toContain(8888);
    expect(left).not.toContain(second);
    expect(await read(first)).toMatchObject({ name: 'changed', definition: { exec: 'cat' } });
  });

  test.each([
    [{}],
    [{ deleted_objects: [] }],
    [{ objects: 5 }],
    [{ objects: [], deleted_objects: 'x' }],
    [[]],
  ])('PATCH of %j is 400', async (body) => {
    expect((await call('PATCH', prefix, body)).status).toBe(400);
  });

  test('DELETE takes the filters, and refuses limit and offset', async () => {
    const ids = [await add({ exec: 'a' }), await add({ exec: 'b' }), await add({ exec: 'b' })];
    expect((await call('DELETE', `${prefix}?exec=b&limit=x&offset=-1`)).status).toBe(400);
    expect(await all()).toEqual(ids);
    expect((await call('DELETE', `${prefix}?exec=b`)).status).toBe(204);
    expect(await all()).toEqual([ids[0]]);
    expect((await call('DELETE', `${prefix}?exce=a`)).status).toBe(400);
    expect(await all()).toEqual([ids[0]]);
    expect((await call('DELETE', `${prefix}${ids[0]}/`)).text).toBe('');
    const again = await call('DELETE', `${prefix}${ids[0]}/`);
    expect([again.status, again.json.error]).toEqual([404, `There is no process definition ${ids[0]}.`]);
  });
});
