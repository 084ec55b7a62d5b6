import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { historyOf, jobOf, submit } from '../../support/jobs.js';
import { actor } from '../../support/manager.js';
import { root } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const first = '0001_start';
const sql = readFileSync(`${root}/prisma/migrations/${first}/migration.sql`, 'utf8');
const bookkeeping = `CREATE TABLE "_prisma_migrations" (
  "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL,
  "logs" TEXT, "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
  "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0)`;
const waiting = '107c0ffe-0000-5000-8000-00000000000c';
const waitingEvent = '108c0ffe-0000-5000-8000-00000000000c';

let server: TestServer;
let good: number;
const jobs: string[] = [];

/** Makes of a database one as the first migration left it, with the same rows. */
function makeOld(file: string): void {
  const old = new Database(`${file}.old`);
  old.exec(sql);
  old.exec(bookkeeping);
  old
    .prepare(
      `INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "applied_steps_count")
       VALUES ('1', ?, 1767225600000, ?, 1)`,
    )
    .run(createHash('sha256').update(sql).digest('hex'), first);
  old.prepare('ATTACH ? AS "now"').run(file);
  for (const table of [
    'user',
    'token',
    'process_definition',
    'definition_revision',
    'job',
    'job_event',
    'setting',
  ]) {
    const columns = (old.pragma(`main.table_info("${table}")`) as { name: string }[])
      .map(({ name }) => `"${name}"`)
      .join(', ');
    // A definition's first revision is written by a trigger.
    if (table === 'definition_revision') old.exec('DELETE FROM main."definition_revision"');
    old.exec(`INSERT INTO main."${table}" (${columns}) SELECT ${columns} FROM "now"."${table}"`);
  }
  // One that was waiting for its turn when the older version was stopped.
  old.exec(`
    INSERT INTO main."job" ("uuid", "owner_id", "process_definition_id", "definition_revision_id", "executor", "state",
      "last_event", "last_event_uuid", "request", "created", "updated")
    SELECT '${waiting}', "owner_id", "process_definition_id", "definition_revision_id", "executor", 'CREATED',
      'create', '${waitingEvent}', "request", "created", "updated" FROM main."job" WHERE "uuid" = '${jobs[0]}';
    INSERT INTO main."job_event" ("uuid", "job_id", "name", "state", "revision", "date")
    SELECT '${waitingEvent}', "id", 'create', 'CREATED', 0, "created" FROM main."job" WHERE "uuid" = '${waiting}'`);
  old.exec('DETACH "now"');
  old.close();
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  renameSync(`${file}.old`, file);
}

beforeAll(async () => {
  server = await startServer();
  good = await server.register({ exec: '/bin/true' });
  const bad = await server.register({ exec: '/bin/false' });
  for (const id of [good, good, bad]) jobs.push(await submit(server, id));
  for (const uuid of jobs) await jobOf(server, uuid, 30);
  await server.stop();
  makeOld(path.join(server.data, 'penstock.sqlite'));
  mkdirSync(path.join(server.data, 'jobs', waiting.slice(3, 5), waiting), { recursive: true });
  await server.restart();
});
afterAll(() => server.remove());

test('a database of the first version keeps its jobs, their histories and the totals', async () => {
  expect(await jobOf(server, waiting, 30)).toMatchObject({ state: 'FINISHED', outcome: { exit_code: 0 } });
  for (const [index, uuid] of jobs.entries()) {
    expect(await jobOf(server, uuid)).toMatchObject({
      state: index < 2 ? 'FINISHED' : 'FAILED',
      pipeline: null,
      hidden: false,
      data: null,
    });
    expect((await historyOf(server, uuid)).length).toBe(3);
  }
  const totalOf = async (query: string) => (await ask(server, `/api/job/?${query}`)).json.meta.total_count;
  expect(await totalOf('')).toBe(4);
  expect(await totalOf('state=FINISHED')).toBe(3);
  expect(await totalOf('state=FAILED')).toBe(1);
  expect(await totalOf('state=CREATED')).toBe(0);
  expect(await totalOf(`process_definition=${good}`)).toBe(3);
  expect((await ask(server, '/api/process_definition/')).json.meta.total_count).toBe(2);
});

test('its jobs take events once their owner has given them a token', async () => {
  const uuid = jobs[0] as string;
  const ada = await server.addUser('ada');
  const send = (token: string, name: string) =>
    ask(server, `${actor}/messages`, { json: { uuid, token, name }, as: ada });
  for (const token of ['x'.repeat(16), 'null', 'undefined']) {
    const refused = await send(token, 'validate');
    expect([refused.status, refused.json.type]).toEqual([403, '/api/docs/errors/#wrong-token']);
    expect(refused.json.message).toContain(uuid);
  }
  expect((await ask(server, `/api/job/${uuid}/token/`, { method: 'POST', as: ada })).status).toBe(404);
  const made = await ask(server, `/api/job/${uuid}/token/`, { method: 'POST' });
  expect(made.status).toBe(200);
  const { token, callback } = made.json;
  expect((await send(token, 'validate')).json.result.state).toBe('VALIDATING');
  expect((await fetch(`${callback}&name=validated`, { method: 'POST' })).status).toBe(200);
  expect(await jobOf(server, uuid)).toMatchObject({ state: 'VALIDATED' });
  expect((await ask(server, '/api/job/?state=VALIDATED')).json.meta.total_count).toBe(1);

  // Hidden and shown again, it is counted as any other.
  const total = async () => (await ask(server, '/api/job/')).json.meta.total_count;
  const act = (action: string) => ask(server, `${actor}/messages`, { json: { uuid: jobs[1], action } });
  expect([(await act('delete')).status, await total()]).toEqual([200, 3]);
  expect([(await act('undelete')).status, await total()]).toEqual([200, 4]);
  expect(server.log()).not.toMatch(/"level":[56]0/);
});
