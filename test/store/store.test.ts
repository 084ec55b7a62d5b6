import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, test } from 'vitest';
import { migrate } from '../../src/store/sqlite/migrate.js';
import { backup, openStore } from '../../src/store/store.js';
import { root as repository } from '../support/paths.js';
import { ask } from '../support/raw.js';
import { startServer } from '../support/server.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-store-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('migrations make an empty folder ready, once', async () => {
  const file = path.join(root, 'fresh.sqlite');
  expect((await migrate(file)).length).toBeGreaterThan(0);
  expect(await migrate(file)).toEqual([]);
});

test('a migration that is cut off, wherever, leaves nothing half done', async () => {
  const program = path.join(root, 'migrate.mjs');
  const migrateUrl = `${repository}/dist/migrate.js`;
  writeFileSync(
    program,
    `import { migrate } from ${JSON.stringify(migrateUrl)};
     process.stdout.write('begins\\n');
     await migrate(process.argv[2]);`,
  );
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const file = path.join(root, `cut-${attempt}.sqlite`);
    const child = spawn(process.execPath, [program, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), attempt * 4);
    await once(child, 'exit');
    await migrate(file);
    expect(await migrate(file)).toEqual([]);
  }
});

test('a migration that fails changes nothing, and is tried again', async () => {
  const file = path.join(root, 'fails.sqlite');
  const database = new Database(file);
  database.exec('CREATE TABLE "stream" ("mine" TEXT)');
  await expect(migrate(file)).rejects.toThrow('table "stream" already exists');
  expect(database.pragma('table_info("job")')).not.toEqual([]);
  expect((database.pragma('table_info("job")') as { name: string }[]).map(({ name }) => name)).not.toContain(
    'plan',
  );
  database.exec('DROP TABLE "stream"');
  expect(await migrate(file)).toEqual(['0003_pipelines_and_streams', '0004_servers', '0005_outputs']);
  database.close();
});

test('a database newer than the program is refused and not touched', async () => {
  const file = path.join(root, 'newer.sqlite');
  copyFileSync(path.join(root, 'fresh.sqlite'), file);
  const database = new Database(file);
  database.exec(
    "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, finished_at, applied_steps_count) VALUES ('x', 'x', '9999_future', 1, 1, 1)",
  );
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
  const before = readFileSync(file);
  await expect(openStore(file)).rejects.toThrow(/newer than this program.*9999_future/);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test('of two updates from the same revision at once one is made; a backup equals; a lock heals', async () => {
  const server = await startServer();
  try {
    const id = await server.register({ exec: '/bin/true' });
    const file = path.join(server.data, 'penstock.sqlite');
    const store = await openStore(file);
    const update = { op: 'update', id, from: 1, row: { name: 'x', revision: 2 } } as const;
    const results = await Promise.all([store.definitions.write([update]), store.definitions.write([update])]);
    expect(results).toEqual([[id], false]);
    await store.close();

    const copy = path.join(root, 'copy.sqlite');
    await backup(file, copy, () => {});
    const rows = (name: string) => {
      const database = new Database(name, { readonly: true });
      const all = ['user', 'process_definition', 'job'].map((table) =>
        database.prepare(`SELECT * FROM "${table}"`).all(),
      );
      database.close();
      return all;
    };
    expect(rows(copy)).toEqual(rows(file));

    const holder = new Database(file);
    holder.exec('BEGIN IMMEDIATE');
    const json = { definition: { exec: 'cat' } };
    const locked = await ask(server, '/api/process_definition/', { json, deadline: 40_000 });
    holder.exec('ROLLBACK');
    holder.close();
    expect([locked.status, locked.headers['retry-after']]).toEqual([503, '1']);
    expect((await ask(server, '/api/process_definition/', { json })).status).toBe(201);
  } finally {
    await server.remove();
  }
});
