import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** The database of an installation from before definitions declared their inputs, with something of every noun. */
const fixture = path.join(root, 'test', 'fixtures', 'databases', '0004_servers.sql');
const as = { username: 'admin', password: 'secret123' };
let server: TestServer;

beforeAll(async () => {
  server = await startServer();
  await server.stop();
  const file = path.join(server.data, 'penstock.sqlite');
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
  const old = new Database(file);
  old.pragma('foreign_keys = OFF');
  old.exec(readFileSync(fixture, 'utf8'));
  old.close();
  await server.restart();
});
afterAll(() => server.remove());

test('an older database opens with all that was in it', async () => {
  expect(server.log()).toContain('database migrated');
  const counts = Object.fromEntries(
    await Promise.all(
      ['user', 'token', 'process_definition', 'pipeline', 'stream', 'operation', 'job'].map(async (noun) => [
        noun,
        (await ask(server, `/api/${noun}/`, { as })).json.meta.total_count,
      ]),
    ),
  );
  expect(counts).toEqual({
    user: 2,
    token: 1,
    process_definition: 2,
    pipeline: 1,
    stream: 2,
    operation: 1,
    job: 4,
  });
  const { objects } = (await ask(server, '/api/job/', { as })).json;
  for (const job of objects) expect([job.state, job.inputs, job.outputs]).toEqual(['FINISHED', null, null]);
});

test('and its definitions and pipelines run as before', async () => {
  for (const [noun, id] of [
    ['process_definition', 1],
    ['pipeline', 1],
  ]) {
    const { status, text } = await ask(server, `/api/${noun}/${id}/run/?wait=30&output=raw`, {
      as,
      body: 'hello',
      headers: { 'Content-Type': 'text/plain' },
    });
    expect([noun, status, text]).toEqual([noun, 200, 'HELLO']);
  }
});
