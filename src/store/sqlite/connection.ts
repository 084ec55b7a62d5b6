import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import type { Database } from 'better-sqlite3';
import { pragmas } from './pragmas.js';

/** `text LIKE '%part%'`, with every character of the part meaning itself. */
const contains = (pattern: unknown, text: unknown): number =>
  typeof text === 'string' && text.includes(String(pattern).slice(1, -1)) ? 1 : 0;

/** How many values a statement of SQLite's may have; Prisma counts on 999 otherwise, which a filter by ids exceeds. */
export const connectionInfo = { maxBindValues: 32_766, supportsRelationJoins: false };

/** A connection to an SQLite file as Prisma uses it, and as SQLite's driver has it. */
interface Connection {
  adapter: SqlDriverAdapter;
  database: Database;
}

/** @param timeout milliseconds to wait for another program's lock; it blocks the whole thread meanwhile */
export async function connect(file: string, timeout: number): Promise<Connection> {
  const adapter = await new PrismaBetterSqlite3({ url: file, timeout }).connect();
  await adapter.executeScript(pragmas);
  const { client: database } = adapter as unknown as { client: Database };
  // Prisma makes `contains` of LIKE and escapes nothing: "a_b" would find "a-b". LIKE is used for nothing else here.
  database.function('like', { deterministic: true }, contains);
  return { adapter: Object.assign(adapter, { getConnectionInfo: () => connectionInfo }), database };
}
