import { parentPort, workerData } from 'node:worker_threads';
import { DriverAdapterError, type SqlQuery } from '@prisma/driver-adapter-utils';
import { type CompanionKind, companions } from '../companions.js';
import { connect } from './connection.js';
import { insertEventsSql, insertJobsSql, updateJobsSql } from './job-sql.js';
import { busyTimeout } from './pragmas.js';

/**
 * The writing thread. It waits for the disk and for other programs' locks, so that no request has to; writes that
 * arrive meanwhile form the next group. It has the only writing connection: job writes come as groups, everything else
 * as the statements of a Prisma transaction.
 */

/** One group of job writes; each list is JSON for its statement, or null if it is empty. */
export interface Group {
  inserts: string | null;
  updates: string | null;
  companions: readonly (readonly [CompanionKind, string | null])[];
  events: string;
}

export type WriteRequest =
  | { kind: 'commit'; group: Group }
  /** Begins a transaction, and takes the database's lock for it. */
  | { kind: 'begin' }
  | { kind: 'query' | 'execute'; query: SqlQuery }
  | { kind: 'close' };

/**
 * For a group, the events that were written, so that a lost compare-and-set shows; for a statement, its result. Or why
 * nothing was written, in words and in Prisma's form.
 */
export type WriteAnswer = { value: unknown } | { error: string; cause?: DriverAdapterError['cause'] };

const { adapter, database } = await connect(workerData as string, busyTimeout);
const statements = {
  inserts: database.prepare(insertJobsSql),
  updates: database.prepare(updateJobsSql),
  events: database.prepare(insertEventsSql).pluck(),
};
const companionStatements = {
  keys: database.prepare(companions.keys.sql),
  nonces: database.prepare(companions.nonces.sql),
  subscriptions: database.prepare(companions.subscriptions.sql),
};

const commit = database.transaction((group: Group): string[] => {
  if (group.inserts !== null) statements.inserts.run(group.inserts);
  if (group.updates !== null) statements.updates.run(group.updates);
  for (const [kind, records] of group.companions) {
    if (records !== null) companionStatements[kind].run(records);
  }
  return statements.events.all(group.events) as string[];
});

/** Milliseconds to wait for a lock after somebody has waited the whole `busyTimeout` in vain. */
const knownBusy = 100;
let patience = busyTimeout;

/** Limits the wait for a lock that has already been held long, so that callers do not all wait for it in turn. */
function waitAtMost(milliseconds: number): void {
  if (patience === milliseconds) return;
  patience = milliseconds;
  database.pragma(`busy_timeout = ${milliseconds}`);
}

/** Rolls back a transaction that Prisma abandoned, so that it does not become part of the next one. */
function endStray(): void {
  if (database.inTransaction) database.exec('ROLLBACK');
}

/** Runs an action that takes the database's lock. */
async function locking<T>(action: () => Promise<T>): Promise<T> {
  try {
    const done = await action();
    waitAtMost(busyTimeout);
    return done;
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { kind?: string } };
    if (code?.startsWith('SQLITE_BUSY') || cause?.kind === 'SocketTimeout') waitAtMost(knownBusy);
    throw error;
  }
}

async function answer(request: WriteRequest): Promise<unknown> {
  switch (request.kind) {
    case 'commit':
      endStray();
      return locking(async () => commit.immediate(request.group));
    case 'begin':
      endStray();
      return locking(() => adapter.executeRaw({ sql: 'BEGIN IMMEDIATE', args: [], argTypes: [] }));
    case 'query':
      return adapter.queryRaw(request.query);
    case 'execute':
      return adapter.executeRaw(request.query);
    case 'close':
      database.close();
      parentPort?.close();
      return undefined;
  }
}

parentPort?.on('message', async (request: WriteRequest) => {
  let told: WriteAnswer;
  try {
    told = { value: await answer(request) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    told = { error: code === undefined ? message : `${code}: ${message}` };
    if (error instanceof DriverAdapterError) told.cause = error.cause;
  }
  parentPort?.postMessage(told);
});
