import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { type CompanionKind, companions } from './companions.js';
import { insertEventsSql, insertJobsSql, updateJobsSql } from './job-sql.js';
import { busyTimeout, pragmas } from './pragmas.js';

/**
 * A thread that commits groups of job writes, with the driver that Prisma's adapter uses, too. Waiting for the disk
 * happens here, so that it holds up no request; and what gathers meanwhile makes up the next group.
 */

/** One group; each list is JSON for its statement, or null if there is nothing of it. */
export interface Group {
  inserts: string | null;
  updates: string | null;
  companions: readonly (readonly [CompanionKind, string | null])[];
  events: string;
}

/** The events that were written, which is how a lost compare-and-set shows; or why nothing was. */
export type Committed = { written: string[] } | { error: string };

const database = new Database(workerData as string, { timeout: busyTimeout });
database.exec(pragmas);
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
