import type { SqlDriverAdapter } from '@prisma/driver-adapter-utils';
import { PrismaClient } from '../generated/client.js';
import { connect, connectionInfo } from './connection.js';

/** A Prisma client on one of our adapters. */
const clientOf = (connecting: () => Promise<SqlDriverAdapter>): PrismaClient =>
  new PrismaClient({
    adapter: { provider: 'sqlite', adapterName: '@prisma/adapter-better-sqlite3', connect: connecting },
  });

/**
 * A Prisma client on an SQLite file for reading, on its own connection. With a WAL, readers need no lock that anybody
 * else could hold, so this thread never waits for one.
 */
export const openReader = (file: string): PrismaClient =>
  clientOf(async () => (await connect(file, 0)).adapter);

/** A Prisma client for writing, through the writing thread. */
export const openWriter = (adapter: SqlDriverAdapter): PrismaClient =>
  clientOf(async () => Object.assign(adapter, { getConnectionInfo: () => connectionInfo }));

export type { PrismaClient };
