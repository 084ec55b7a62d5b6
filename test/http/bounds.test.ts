import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../support/raw.js';
import { startServer, type TestServer } from '../support/server.js';

/** What one request may hold: at the bound it is taken, beyond it the answer names the bound. */
let server: TestServer;
beforeAll(async () => {
  server = await startServer();
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
