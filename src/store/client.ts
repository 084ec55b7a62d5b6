import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import type { Database } from 'better-sqlite3';
import { PrismaClient } from './generated/client.js';
import { busyTimeout, pragmas } from './pragmas.js';

/** `text LIKE '%part%'`, with every character of the part meaning itself. */
const contains = (pattern: unknown, text: unknown): number =>
  typeof text === 'string' && text.includes(String(pattern).slice(1, -1)) ? 1 : 0;

/** How many values a statement of SQLite's may have; Prisma counts on 999 otherwise, which a filter by ids exceeds. */
const maxBindValues = 32_766;

class Sqlite extends PrismaBetterSqlite3 {
  override async connect() {
    const adapter = await super.connect();
    await adapter.executeScript(pragmas);
    // Prisma makes `contains` of LIKE and escapes nothing: "a_b" would find "a-b". LIKE is used for nothing else here.
    (adapter as unknown as { client: Database }).client.function('like', { deterministic: true }, contains);
    return Object.assign(adapter, {
      getConnectionInfo: () => ({ maxBindValues, supportsRelationJoins: false }),
    });
  }
}

/** A Prisma client on an SQLite file. Each client is one connection. */
export function openClient(file: string): PrismaClient {
  return new PrismaClient({ adapter: new Sqlite({ url: file, timeout: busyTimeout }) });
}

export type { PrismaClient };
