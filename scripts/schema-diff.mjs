import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { migrationsFolder, readMigrations } from '../dist/migrate.js';

const schemaFile = path.join(migrationsFolder, '..', 'schema.prisma');
const lockFile = path.join(migrationsFolder, 'migration_lock.toml');

/** The engine sends each migration to its shadow database as one statement, but the adapter only accepts it as a script. */
class ShadowedSqlite extends PrismaBetterSqlite3 {
  async connectToShadowDb() {
    const adapter = await super.connectToShadowDb();
    const executeRaw = adapter.executeRaw.bind(adapter);
    adapter.executeRaw = async (query) => {
      if (query.args.length > 0) return executeRaw(query);
      await adapter.executeScript(query.sql);
      return 0;
    };
    return adapter;
  }
}

async function loadEngine() {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const { resolve } = createRequire(import.meta.url);
  const folder = path.dirname(resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const bytes = await readFile(path.join(folder, 'schema_engine_bg.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start?.();
  return glue.SchemaEngine;
}

/**
 * The SQL that leads from the numbered migrations to `prisma/schema.prisma`. Empty if nothing changed. It comes from
 * Prisma's own schema engine, compiled to WebAssembly: no binary, no download.
 */
export async function schemaDiff() {
  const SchemaEngine = await loadEngine();
  const schema = { path: schemaFile, content: await readFile(schemaFile, 'utf8') };
  const engine = await SchemaEngine.new(
    { datamodels: [[schema.path, schema.content]] },
    () => {},
    bindMigrationAwareSqlAdapterFactory(new ShadowedSqlite({ url: ':memory:' })),
  );
  const answer = await engine.diff({
    from: {
      tag: 'migrations',
      baseDir: migrationsFolder,
      lockfile: { path: 'migration_lock.toml', content: await readFile(lockFile, 'utf8') },
      shadowDbInitScript: '',
      migrationDirectories: (await readMigrations()).map(({ name, sql }) => ({
        path: name,
        migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
      })),
    },
    to: { tag: 'schemaDatamodel', files: [schema] },
    script: true,
    exitCode: null,
    filters: { externalTables: ['job_count'], externalEnums: [] },
  });
  return answer.stdout ?? '';
}
