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

/** Prisma's own record of migrations, so that its tools can read the database, too. */
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

/** The migrations that a database's record has, and whether each ran to its end. */
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

/** What a start says of a database that SQLite cannot use, by SQLite's code. */
const unusable: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_BUSY/, 'is locked by another program. End its transaction, or the program, and start again'],
  [/^SQLITE_READONLY/, 'cannot be written to. Give it to the user that the server runs as'],
  [/^SQLITE_FULL/, 'cannot be brought up to date: the disk is full. Make room and start again'],
  [/^SQLITE_(NOTADB|CORRUPT)/, 'is damaged, or no database. Put back a backup (docs/operations.md)'],
];

/**
 * Brings a database to the state of this program, creating it if need be. Each migration is one transaction, its
 * record included: a crash in the middle leaves the database as it was before it, and the next start applies it.
 * (Prisma's engine would leave half of it, and then refuse to go on.)
 * Throws when the database has migrations that this program does not know: it is newer, and is left alone.
 *
 * @returns the names of the migrations that were applied now
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
        `the database ${file} has only a part of the migration ${broken.name}: a program before this one was ended while it was applied. ` +
          'Restore a backup, or give another --data folder.',
      );
    }
    const applied = new Set(before.map(({ name }) => name));
    const missing = migrations.filter(({ name }) => !applied.has(name));
    // Here, while there is no other connection: to change to it takes the file for oneself.
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
