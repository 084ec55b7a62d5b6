import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import {
  insertEventsSql,
  insertJobsSql,
  insertKeysSql,
  insertNoncesSql,
  insertSubscriptionsSql,
  updateJobsSql,
} from './job-sql.js';
import { busyTimeout, pragmas } from './pragmas.js';

/**
 * A thread that commits groups of job writes, with the driver that Prisma's adapter uses, too. Waiting for the disk
 * happens here, so that it holds up no request; and what gathers meanwhile makes up the next group.
 */

/** One group; each list is JSON for the statement of that name, or null if there is nothing of it. */
export interface Group {
  inserts: string | null;
  updates: string | null;
  keys: string | null;
  nonces: string | null;
  subscriptions: string | null;
  events: string;
}

/** The events that were written, which is how a lost compare-and-set shows; or why nothing was. */
export type Committed = { written: string[] } | { error: string };

const database = new Database(workerData as string, { timeout: busyTimeout });
database.exec(pragmas);
const statements = {
  inserts: database.prepare(insertJobsSql),
  updates: database.prepare(updateJobsSql),
  keys: database.prepare(insertKeysSql),
  nonces: database.prepare(insertNoncesSql),
  subscriptions: database.prepare(insertSubscriptionsSql),
  events: database.prepare(insertEventsSql).pluck(),
};

const commit = database.transaction((group: Group): string[] => {
  if (group.inserts !== null) statements.inserts.run(group.inserts);
  if (group.updates !== null) statements.updates.run(group.updates);
  if (group.keys !== null) statements.keys.run(group.keys);
  if (group.nonces !== null) statements.nonces.run(group.nonces);
  // Before the events, of which the first is told to them already.
  if (group.subscriptions !== null) statements.subscriptions.run(group.subscriptions);
  return statements.events.all(group.events) as string[];
});

parentPort?.on('message', (group: Group | 'close') => {
  if (group === 'close') {
    database.close();
    parentPort?.close();
    return;
  }
  let answer: Committed;
  try {
    answer = { written: commit.immediate(group) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    answer = { error: code === undefined ? message : `${code}: ${message}` };
  }
  parentPort?.postMessage(answer);
});
