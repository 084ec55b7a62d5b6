// Writes the SQL for the changes in prisma/schema.prisma as the next numbered migration.
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { prepare } from './prepare.mjs';

const name = process.argv[2];
if (!/^[a-z][a-z0-9_]*$/.test(name ?? '')) {
  console.error('usage: npm run migration NAME   (lower-case letters, digits and _)');
  process.exit(2);
}
await prepare();
const { schemaDiff } = await import('./schema-diff.mjs');
const sql = await schemaDiff();
if (sql.trim() === '' || /empty migration/i.test(sql)) {
  console.log('The schema and the migrations agree. Nothing to write.');
  process.exit(0);
}
const folder = new URL('../prisma/migrations/', import.meta.url);
const count = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
const target = new URL(`${String(count + 1).padStart(4, '0')}_${name}/`, folder);
mkdirSync(target);
writeFileSync(new URL('migration.sql', target), sql);
console.log(`Wrote ${target.pathname}migration.sql. Read it before you commit it.`);
