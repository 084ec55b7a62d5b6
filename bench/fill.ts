/**
 * Fills a database with ended jobs, directly in its tables: a million over HTTP would take longer than the
 * rest of the benchmark. Every row is a copy of a job that the server itself ran (with its history), so
 * this file names only the columns that must differ between two jobs:
 */
import { openSync, readdirSync, readSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';

/**
 * What differs from copy to copy, as SQL over the copied row (`t`), the copy's number (`n.i`) and the
 * number of copies (`@count`). Add any new column that must be unique or that orders jobs; all other
 * columns are copied automatically.
 */
const jobColumns: Record<string, string> = {
  uuid: newUuid(),
  created: earlier('created'),
  updated: earlier('updated'),
  started: earlier('started'),
  ended: earlier('ended'),
};
const eventColumns: Record<string, string> = { uuid: newUuid(), job_id: 'copy.id' };

/** A random UUID, version 4, in SQL. */
function newUuid(): string {
  const hex = (bytes: number) => `lower(hex(randomblob(${bytes})))`;
  const version = `'-4' || substr(${hex(2)}, 2) || '-a' || substr(${hex(2)}, 2)`;
  return `${hex(4)} || '-' || ${hex(2)} || ${version} || '-' || ${hex(6)}`;
}

/** A time of the copied job, a tenth of a second earlier per copy: the first copy is the oldest. */
function earlier(column: string): string {
  const seconds = '((@count - n.i) / 10.0)';
  const asText = `strftime('%Y-%m-%dT%H:%M:%f', t.${column}, '-' || ${seconds} || ' seconds') || '+00:00'`;
  const asNumber = `CAST(t.${column} - ${seconds} * 1000 AS INTEGER)`;
  return `CASE typeof(t.${column}) WHEN 'text' THEN ${asText} WHEN 'null' THEN NULL ELSE ${asNumber} END`;
}

/** The only SQLite database in a data folder of Penstock, recognized by its first bytes. */
export function databaseIn(folder: string): string {
  const magic = 'SQLite format 3\0';
  for (const name of readdirSync(folder)) {
    const file = path.join(folder, name);
    const bytes = Buffer.alloc(magic.length);
    try {
      readSync(openSync(file, 'r'), bytes, 0, magic.length, 0);
    } catch {
      continue; // A folder.
    }
    if (bytes.toString('latin1') === magic) return file;
  }
  throw new Error(`There is no SQLite database in ${folder}.`);
}

/** The columns of a copy, and the value of each. */
function columns(database: Database.Database, table: string, changed: Record<string, string>) {
  const names = (database.pragma(`table_info("${table}")`) as { name: string }[])
    .map((column) => column.name)
    .filter((name) => name !== 'id');
  for (const name of Object.keys(changed)) {
    if (!names.includes(name)) throw new Error(`bench/fill.ts: the table ${table} has no column ${name}.`);
  }
  return {
    names: names.map((name) => `"${name}"`).join(', '),
    values: names.map((name) => changed[name] ?? `t."${name}"`).join(', '),
  };
}

/**
 * Adds `count` jobs with their events, as copies of the existing jobs. `shares` is the share of each in the
 * whole, by its state. The server must not be running.
 */
export function fill(file: string, count: number, shares: Record<string, number>): void {
  const database = new Database(file);
  // A crash here costs nothing: the database is only for one benchmark.
  database.pragma('synchronous = OFF');
  database.pragma('cache_size = -200000');
  const job = columns(database, 'job', jobColumns);
  const event = columns(database, 'job_event', eventColumns);
  const numbers = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < @part)';
  const addJobs = database.prepare(
    `${numbers} INSERT INTO job (${job.names}) SELECT ${job.values} FROM job t, n WHERE t.id = @template`,
  );
  const addEvents = database.prepare(
    `INSERT INTO job_event (${event.names}) SELECT ${event.values}
     FROM job copy CROSS JOIN job_event t WHERE copy.id > @last AND t.job_id = @template ORDER BY copy.id, t.id`,
  );
  const parts = Object.values(shares).reduce((sum, share) => sum + share, 0);
  database.transaction(() => {
    for (const [state, share] of Object.entries(shares)) {
      const template = database.prepare('SELECT min(id) AS id FROM job WHERE state = ?').get(state) as {
        id: number;
      };
      const { last } = database.prepare('SELECT max(id) AS last FROM job').get() as { last: number };
      addJobs.run({ part: Math.round((count * share) / parts), count, template: template.id });
      addEvents.run({ last, template: template.id });
    }
  })();
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
}
