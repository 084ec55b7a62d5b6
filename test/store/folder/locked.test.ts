import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { Reserve } from '../../../src/store/folder/reserve.js';
import { Writer } from '../../../src/store/sqlite/writer.js';
import { openStore, type Store } from '../../../src/store/store.js';
import { atPace } from '../../support/pace.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** Another program that writes to the database, and takes its time. */
function lock(file: string): () => void {
  const holder = new Database(file);
  holder.exec('BEGIN EXCLUSIVE');
  return () => {
    holder.exec('ROLLBACK');
    holder.close();
  };
}

test('while another program has the lock, only writes wait: what reads is answered meanwhile', async () => {
  const server: TestServer = await startServer();
  ends.push(() => server.remove());
  const id = await server.register({ exec: 'cat' });
  const letGo = lock(path.join(server.data, 'penstock.sqlite'));
  const waiting = new Set(['definition', 'user', 'run']);
  const write = async (name: string, url: string, json: object) => {
    const answer = await ask(server, url, { json, deadline: 30_000 });
    waiting.delete(name);
    return [answer.status, answer.headers['retry-after']];
  };
  const writes = Promise.all([
    write('definition', '/api/process_definition/', { definition: { exec: 'true' } }),
    write('user', '/api/user/', { username: 'new', password: 'long enough' }),
    write('run', `/api/process_definition/${id}/run/`, { input: { text: 'x' } }),
  ]);
  for (const url of ['/api/job/', '/api/process_definition/', `/api/process_definition/${id}/`, '/api/']) {
    expect((await ask(server, url)).status).toBe(200);
  }
  // All of these were answered before the first of those that wait for the lock.
  expect(waiting.size).toBe(3);
  const health = await ask(server, '/healthz', { as: null, deadline: 30_000 });
  expect([health.status, health.json.error]).toEqual([503, expect.stringMatching(/database .*locked/)]);
  expect(new Set((await writes).map(String))).toEqual(new Set(['503,1']));
  // The lock is known by now: nobody waits for all of the five seconds again.
  const begin = Date.now();
  for (const name of ['b', 'c', 'd']) {
    expect((await ask(server, '/api/stream/', { json: { name }, deadline: 30_000 })).status).toBe(503);
  }
  expect(Date.now() - begin).toBeLessThan(atPace(3 * 5000));
  letGo();
  expect((await ask(server, '/healthz', { as: null })).status).toBe(200);
  expect((await ask(server, '/api/user/?username=new')).json.objects).toEqual([]);
});

/** A store, and a writer beside it, on a new file. */
async function openBoth(): Promise<{ file: string; store: Store; writer: Writer }> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-locked-'));
  const file = path.join(folder, 'a.sqlite');
  const store = await openStore(file);
  const writer = new Writer(file, new Reserve(folder));
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => store.close(),
    () => writer.close(),
  );
  return { file, store, writer };
}

test('this thread does not wait for a lock', async () => {
  const { file, store, writer } = await openBoth();
  const letGo = lock(file);
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  const kept = writer.batch((client) => [client.setting.create({ data: { key: 'late', value: '1' } })]);
  for (let n = 0; n < 20; n += 1) expect(await store.knownSetting('late')).toBeNull();
  letGo();
  await kept;
  loop.disable();
  // A wait for the lock would be one of five seconds; anything else here takes far less.
  expect(loop.max / 1e6).toBeLessThan(2500);
  expect(await store.knownSetting('late')).toBe('1');
});

test('a transaction is kept as a whole or not at all, and leaves the next one alone', async () => {
  const { store, writer } = await openBoth();
  const create = (key: string) => (client: Parameters<Parameters<Writer['batch']>[0]>[0]) =>
    client.setting.create({ data: { key, value: key } });
  const twice = writer.batch((client) => [create('a')(client), create('b')(client), create('a')(client)]);
  const next = writer.batch((client) => [create('b')(client), create('c')(client)]);
  await expect(twice).rejects.toMatchObject({ code: 'P2002' });
  expect(await next).toMatchObject([{ key: 'b' }, { key: 'c' }]);
  expect([await store.knownSetting('a'), await store.knownSetting('c')]).toEqual([null, 'c']);
  const counted = await writer.batch((client) => [
    client.setting.updateMany({ where: { key: { in: ['b', 'c', 'd'] } }, data: { value: 'e' } }),
    client.setting.deleteMany({ where: { key: { contains: '_' } } }),
  ]);
  expect(counted).toEqual([{ count: 2 }, { count: 0 }]);
});
