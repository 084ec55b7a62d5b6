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

/** The names of the migrations in a database's own record that did run to their end. */
function appliedMigrations(file: string): string[] {
  const database = new Database(file, { timeout: 10_000 });
  try {
    const known = database
      .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_prisma_migrations'")
      .get();
    if (known === undefined) return [];
    return database
      .prepare('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL')
      .pluck()
      .all() as string[];
  } finally {
    database.close();
  }
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

/**
 * Brings a database to the state of this program, creating it if need be.
 * Throws when the database has migrations that this program does not know: it is newer, and is left alone.
 * The schema engine (some tens of megabytes) is loaded only if there is something to apply.
 *
 * @returns the names of the migrations that were applied now
 */
export async function migrate(file: string): Promise<string[]> {
  const list = await migrationList();
  const known = new Set(list.migrationDirectories.map((directory) => directory.path));
  const applied = new Set(appliedMigrations(file));
  const foreign = [...applied].filter((name) => !known.has(name));
  if (foreign.length > 0) {
    throw new Error(
      `the database ${file} is newer than this program: it has the migration ${foreign.join(', ')}. ` +
        'Start the newer program, or give another --data folder.',
    );
  }
  if ([...known].every((name) => applied.has(name))) return [];
  const { engine, close } = await openSchemaEngine(file);
  try {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: list,
      filters: { externalTables: [], externalEnums: [] },
    });
    return appliedMigrationNames;
  } finally {
    await close();
  }
}
