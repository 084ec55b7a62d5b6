import { readFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { historyOf, jobOf, submit } from '../../support/jobs.js';
import { root } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** The migrations before there were servers. */
const before = ['0001_start', '0002_job_events', '0003_pipelines_and_streams'];
const sqlOf = (name: string) => readFileSync(`${root}/prisma/migrations/${name}/migration.sql`, 'utf8');

type Schema = Record<string, unknown>;
/** Tables with their columns, and indexes with theirs, as SQLite tells of them. */
function schemaOf(database: Database.Database): Schema {
  const names = database
    .prepare(
      `SELECT "type", "name" FROM "sqlite_master" WHERE "name" NOT LIKE 'sqlite_%' AND "name" NOT LIKE '\\_prisma%' ESCAPE '\\'`,
    )
    .all() as { type: string; name: string }[];
  return Object.fromEntries(
    names
      .sort((one, other) => (one.name < other.name ? -1 : 1))
      .map(({ type, name }) => [
        `${type} ${name}`,
        type === 'trigger'
          ? true
          : database.pragma(type === 'table' ? `table_info("${name}")` : `index_info("${name}")`),
      ]),
  );
}

/** Makes of a database one as it was before there were servers, with the same rows. */
function makeOld(file: string): void {
  const old = new Database(file);
  const newer = ['server_use', 'server', 'application', 'host_key'];
  for (const table of newer) {
    expect(old.prepare(`SELECT count(*) AS "count" FROM "${table}"`).get()).toEqual({ count: 0 });
    old.exec(`DROP TABLE "${table}"`);
  }
  for (const column of ['task', 'outputs']) old.exec(`ALTER TABLE "job" DROP COLUMN "${column}"`);
  old.prepare(`DELETE FROM "_prisma_migrations" WHERE "migration_name" > ?`).run(before.at(-1));
  // It is what those migrations make of an empty one.
  const fresh = new Database(':memory:');
  for (const name of before) fresh.exec(sqlOf(name));
  expect(schemaOf(old)).toEqual(schemaOf(fresh));
  fresh.close();
  old.close();
}

const nouns = [
  'job',
  'process_definition',
  'pipeline',
  'stream',
  'operation',
  'subscription',
  'token',
  'user',
];
let server: TestServer;
let uuids: string[];
let told: Record<string, unknown>;
const tell = async () =>
  Object.fromEntries(
    await Promise.all(nouns.map(async (noun) => [noun, (await ask(server, `/api/${noun}/?limit=100`)).json])),
  );

beforeAll(async () => {
  server = await startServer({ application: { WEBHOOK_PRIVATE_ADDRESSES: true } });
  const ada = await server.addUser('ada');
  const definition = await server.register({ exec: 'tr', argv: ['a-z', 'A-Z'], application: 'large' }, ada);
  const failing = await server.register({ exec: '/bin/false' });
  uuids = [await submit(server, failing), await submit(server, definition)];
  for (const uuid of uuids) await jobOf(server, uuid, 30);
  const post = async (noun: string, json: unknown) =>
    expect([noun, (await ask(server, `/api/${noun}/`, { json })).status]).toEqual([noun, 201]);
  await post('pipeline', { name: 'one', steps: [{ name: 'a', process_definition: failing }] });
  for (const name of ['in', 'out']) await post('stream', { name });
  await post('operation', { name: 'op', process_definition: failing, input_stream: 'in', active: false });
  await post('subscription', { url: 'http://192.0.2.1:9/hook', events: ['validate'] });
  await post('token', { name: 'mine' });
  await server.stop();
  await server.restart();
  told = await tell();
  await server.stop();
  makeOld(path.join(server.data, 'penstock.sqlite'));
  await server.restart();
});
afterAll(() => server.remove());

test('a database from before there were servers keeps all that was in it', async () => {
  expect(server.log()).toContain('database migrated');
  expect(await tell()).toEqual(told);
  for (const uuid of uuids) expect((await historyOf(server, uuid)).length).toBe(3);
  const output = await ask(server, `/api/job/${uuids[1]}/output/`);
  expect(output.status).toBe(200);
});

test('and can do what is new', async () => {
  expect((await ask(server, '/tasks')).json.content).toEqual({ active: [], queued: [] });
  expect((await ask(server, '/api/server/')).json.meta.total_count).toBe(0);
  expect((await ask(server, '/api/application/', { json: { name: 'large' } })).status).toBe(201);
  const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
  expect(database.pragma('foreign_key_check')).toEqual([]);
  expect(database.pragma('integrity_check', { simple: true })).toBe('ok');
  database.close();
  expect(server.log()).not.toMatch(/"level":[56]0/);
});
