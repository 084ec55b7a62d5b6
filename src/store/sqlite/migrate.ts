import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import Database from 'better-sqlite3';
import { packageFile } from '../../lib/package.js';

const migrationsFolder = packageFile('prisma', 'migrations');

/** Every numbered migration with its SQL, in order. */
async function readMigrations(): Promise<{ name: string; sql: string }[]> {
  const names = (await readdir(migrationsFolder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return Promise.all(
    names.map(async (name) => ({
      name,
      sql: await readFile(path.join(migrationsFolder, name, 'migration.sql'), 'utf8'),
    })),
  );
}

const now = () => new Date().toISOString().replace('Z', '+00:00');

/** Prisma's own record of migrations, so that its tools can read the database. */
const record = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" TEXT PRIMARY KEY NOT NULL,
    "checksum" TEXT NOT NULL,
    "finished_at" DATETIME,
    "migration_name" TEXT NOT NULL,
    "logs" TEXT,
    "rolled_back_at" DATETIME,
    "started_at" DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0
)`;

/** The migrations recorded in a database, and whether each was completed. */
function recorded(database: Database.Database): { name: string; done: boolean }[] {
  const known = database
    .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'")
    .get();
  if (known === undefined) return [];
  const rows = database
    .prepare(
      'SELECT migration_name AS name, finished_at IS NOT NULL AS done FROM _prisma_migrations WHERE rolled_back_at IS NULL',
    )
    .all() as { name: string; done: number }[];
  return rows.map(({ name, done }) => ({ name, done: done === 1 }));
}

/** The startup error for a database that SQLite cannot use, by SQLite's code. */
const unusable: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_BUSY/, 'is locked by another program. End its transaction, or the program, and start again'],
  [/^SQLITE_READONLY/, 'cannot be written to. Give it to the user that the server runs as'],
  [/^SQLITE_FULL/, 'cannot be brought up to date: the disk is full. Make room and start again'],
  [/^SQLITE_(NOTADB|CORRUPT)/, 'is damaged, or not a database. Restore a backup (docs/operations.md)'],
];

/**
 * Migrates a database to this program's schema, creating it if needed. Each migration is one transaction, including its
 * record: after a crash in the middle the database is unchanged, and the next start applies the migration. (Prisma's
 * engine would leave half of it, and then refuse to continue.) Throws if the database has unknown migrations: it is
 * newer, and is left alone.
 *
 * @returns the names of the migrations that were applied
 */
export async function migrate(file: string): Promise<string[]> {
  const migrations = await readMigrations();
  const database = new Database(file, { timeout: 10_000 });
  try {
    const before = recorded(database);
    const known = new Set(migrations.map(({ name }) => name));
    const foreign = before.filter(({ name, done }) => done && !known.has(name)).map(({ name }) => name);
    if (foreign.length > 0) {
      throw new Error(
        `the database ${file} is newer than this program: it has the migration ${foreign.join(', ')}. ` +
          'Start the newer program, or give another --data folder.',
      );
    }
    const broken = before.find(({ done }) => !done);
    if (broken !== undefined) {
      throw new Error(
        `the database ${file} has only a part of the migration ${broken.name}: an earlier program was interrupted while applying it. ` +
          'Restore a backup, or give another --data folder.',
      );
    }
    const applied = new Set(before.map(({ name }) => name));
    const missing = migrations.filter(({ name }) => !applied.has(name));
    // Here, while there is no other connection: changing the mode needs exclusive access.
    database.pragma('journal_mode = WAL');
    for (const { name, sql } of missing) {
      database
        .transaction(() => {
          database.exec(record);
          database.exec(sql);
          database
            .prepare(
              `INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "started_at", "finished_at", "applied_steps_count")
               VALUES (?, ?, ?, ?, ?, 1)`,
            )
            .run(randomUUID(), createHash('sha256').update(sql).digest('hex'), name, now(), now());
        })
        .immediate();
    }
    return missing.map(({ name }) => name);
  } catch (error) {
    const { code = '' } = error as { code?: string };
    const [, told] = unusable.find(([pattern]) => pattern.test(code)) ?? [];
    throw told === undefined ? error : new Error(`the database ${file} ${told}`, { cause: error });
  } finally {
    database.close();
  }
}
