import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import { PrismaClient } from '../generated/client.js';
import { connect, connectionInfo } from './connection.js';

/** A Prisma client whose statements are run by an adapter of ours. */
const clientOf = (connecting: () => Promise<SqlDriverAdapter>): PrismaClient =>
  new PrismaClient({
    adapter: { provider: 'sqlite', adapterName: '@prisma/adapter-better-sqlite3', connect: connecting },
  });

/**
 * A Prisma client on an SQLite file for reading, on a connection of its own. Readers of a WAL need no lock that anybody
 * else could hold, and this thread waits for none.
 */
export const openReader = (file: string): PrismaClient =>
  clientOf(async () => (await connect(file, 0)).adapter);

/** A Prisma client for writing, by the thread that does. */
export const openWriter = (adapter: SqlDriverAdapter): PrismaClient =>
  clientOf(async () => Object.assign(adapter, { getConnectionInfo: () => connectionInfo }));

export type { PrismaClient };
