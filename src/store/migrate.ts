import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import Database from 'better-sqlite3';

/** The part of the WebAssembly interface that is used here; Node's own types leave it to the browser's. */
declare const WebAssembly: {
  instantiate(
    bytes: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: Record<string, (() => void) | undefined> } }>;
};

const root = fileURLToPath(new URL('../../', import.meta.url));
const schemaFile = path.join(root, 'prisma/schema.prisma');
const migrationsFolder = path.join(root, 'prisma/migrations');

/** What the schema engine needs of a migrations folder: every migration with its SQL. */
async function migrationList() {
  const names = (await readdir(migrationsFolder, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  return {
    baseDir: migrationsFolder,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(path.join(migrationsFolder, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(path.join(migrationsFolder, name, 'migration.sql'), 'utf8'),
          },
        },
      })),
    ),
  };
}

/** Knows its connections: the engine opens them and leaves them open, and with them its locks. */
class ClosableSqlite extends PrismaBetterSqlite3 {
  readonly #open: { dispose(): Promise<void> }[] = [];

  override async connect() {
    const adapter = await super.connect();
    this.#open.push(adapter);
    return adapter;
  }

  /** The engine sends whole migrations to its shadow database as one statement; the adapter takes them as scripts only. */
  override async connectToShadowDb() {
    const adapter = await super.connectToShadowDb();
    const executeRaw = adapter.executeRaw.bind(adapter);
    adapter.executeRaw = async (query) => {
      if (query.args.length > 0) return executeRaw(query);
      await adapter.executeScript(query.sql);
      return 0;
    };
    return adapter;
  }

  async close(): Promise<void> {
    for (const adapter of this.#open.splice(0)) await adapter.dispose();
  }
}

interface Engines {
  new: (...options: unknown[]) => Promise<import('@prisma/schema-engine-wasm').SchemaEngine>;
}
/** A second instance in one process would pull the memory from under the first: it is loaded once. */
let engines: Promise<Engines> | undefined;

async function loadEngines(): Promise<Engines> {
  const require = createRequire(import.meta.url);
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const folder = path.dirname(require.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const bytes = await readFile(path.join(folder, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
  const internals = glue as unknown as {
    __wbg_set_wasm(exports: unknown): void;
    SchemaEngine: Engines;
  };
  internals.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start?.();
  return internals.SchemaEngine;
}

/** Prisma's own schema engine, compiled to WebAssembly: no binary, no download. */
export async function openSchemaEngine(file: string) {
  engines ??= loadEngines();
  const SchemaEngine = await engines;
  const schema = { path: schemaFile, content: await readFile(schemaFile, 'utf8') };
  const database = new ClosableSqlite({ url: file });
  const engine = await SchemaEngine.new(
    { datamodels: [[schema.path, schema.content]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(database),
  );
  return { engine, schema, close: () => database.close() };
}

/** The SQL that leads from the numbered migrations to `prisma/schema.prisma`; empty when nothing changed. */
export async function pendingSql(): Promise<string> {
  const { engine, schema } = await openSchemaEngine(':memory:');
  const answer = await engine.diff({
    from: { tag: 'migrations', ...(await migrationList()) },
    to: { tag: 'schemaDatamodel', files: [schema] },
    script: true,
    exitCode: null,
    filters: { externalTables: ['job_count'], externalEnums: [] },
  });
  return answer.stdout ?? '';
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

/**
 * Brings a database to the state of this program, creating it if need be. Each migration is one transaction, its
 * record included: a crash in the middle leaves the database as it was before it, and the next start applies it.
 * (Prisma's engine would leave half of it, and then refuse to go on.)
 * Throws when the database has migrations that this program does not know: it is newer, and is left alone.
 *
 * @returns the names of the migrations that were applied now
 */
export async function migrate(file: string): Promise<string[]> {
  const { migrationDirectories } = await migrationList();
  const database = new Database(file, { timeout: 10_000 });
  try {
    const before = recorded(database);
    const known = new Set(migrationDirectories.map((directory) => directory.path));
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
    const missing = migrationDirectories.filter((directory) => !applied.has(directory.path));
    for (const { path: name, migrationFile } of missing) {
      const sql = migrationFile.content.value;
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
    return missing.map((directory) => directory.path);
  } finally {
    database.close();
  }
}
