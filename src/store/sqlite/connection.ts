import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import type { Database } from 'better-sqlite3';
import { pragmas } from './pragmas.js';

/** `text LIKE '%part%'`, with every character of the part taken literally. */
const contains = (pattern: unknown, text: unknown): number =>
  typeof text === 'string' && text.includes(String(pattern).slice(1, -1)) ? 1 : 0;

/** The most bound values of an SQLite statement; Prisma's default is 999, which a filter by ids exceeds. */
export const connectionInfo = { maxBindValues: 32_766, supportsRelationJoins: false };

/** A connection to an SQLite file: Prisma's adapter, and the driver's own object. */
interface Connection {
  adapter: SqlDriverAdapter;
  database: Database;
}

/** @param timeout milliseconds to wait for another program's lock; it blocks the whole thread meanwhile */
export async function connect(file: string, timeout: number): Promise<Connection> {
  const adapter = await new PrismaBetterSqlite3({ url: file, timeout }).connect();
  await adapter.executeScript(pragmas);
  const { client: database } = adapter as unknown as { client: Database };
  // Prisma implements `contains` by LIKE without escaping: "a_b" would find "a-b". Nothing else here uses LIKE.
  database.function('like', { deterministic: true }, contains);
  return { adapter: Object.assign(adapter, { getConnectionInfo: () => connectionInfo }), database };
}
