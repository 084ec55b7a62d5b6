import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

/**
 * A thread that keeps messages in a separate SQLite file. It waits for the disk, so that nobody else has to; changes
 * that arrive meanwhile are committed together.
 */

interface Addition {
  kind: 'add';
  position: number;
  id: string;
  contentType: string;
  headers: string;
  /** The queues that hold it. */
  queues: readonly number[];
}

/** One change to the journal. */
export type Change = (Addition & { body: Uint8Array }) | OtherChange;

type OtherChange =
  /** A queue has settled a message; `last` if no other queue needs it. */
  | { kind: 'settle'; queue: number; position: number; last: boolean }
  | { kind: 'make'; queue: number; stream: string; name: string }
  /** A queue is deleted, with the messages that are in no other queue. */
  | { kind: 'drop'; queue: number; messages: readonly number[] }
  | { kind: 'mark'; queue: number; position: number };

export type JournalRequest =
  /** All bodies in one buffer, in the order of the additions, which give their lengths. */
  | { kind: 'commit'; changes: readonly ((Addition & { body: number }) | OtherChange)[]; bytes: Uint8Array }
  | { kind: 'read'; positions: readonly number[] }
  | { kind: 'load' }
  | { kind: 'close' };

/** A queue as stored on disk. */
export interface KeptQueue {
  id: number;
  stream: string;
  name: string;
  mark: number;
  /** Positions and sizes of its messages, in order. */
  messages: readonly { position: number; size: number }[];
}

export interface KeptMessage {
  position: number;
  id: string;
  contentType: string;
  headers: string;
  body: Uint8Array;
}

export type JournalAnswer = { value: unknown } | { error: string };

const database = new Database(workerData as string, { timeout: 5000 });
// Every commit survives a power failure. Free pages are returned at the next start.
database.exec(`
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -4000;
  PRAGMA journal_size_limit = 16777216;
  CREATE TABLE IF NOT EXISTS queue (
    id INTEGER PRIMARY KEY, stream TEXT NOT NULL, name TEXT NOT NULL, mark INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stream, name)
  );
  CREATE TABLE IF NOT EXISTS message (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL, content_type TEXT NOT NULL, headers TEXT NOT NULL,
    body BLOB NOT NULL
  );
  CREATE TABLE IF NOT EXISTS waiting (
    queue INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (queue, position)
  ) WITHOUT ROWID;
`);

const statements = {
  add: database.prepare('INSERT INTO message VALUES (?, ?, ?, ?, ?)'),
  wait: database.prepare('INSERT INTO waiting VALUES (?, ?)'),
  settle: database.prepare('DELETE FROM waiting WHERE queue = ? AND position = ?'),
  forget: database.prepare('DELETE FROM message WHERE position = ?'),
  make: database.prepare('INSERT OR REPLACE INTO queue (id, stream, name) VALUES (?, ?, ?)'),
  drop: database.prepare('DELETE FROM queue WHERE id = ?'),
  empty: database.prepare('DELETE FROM waiting WHERE queue = ?'),
  mark: database.prepare('UPDATE queue SET mark = ? WHERE id = ?'),
  read: database.prepare(
    'SELECT position, id, content_type AS contentType, headers, body FROM message WHERE position = ?',
  ),
  queues: database.prepare('SELECT id, stream, name, mark FROM queue'),
  waiting: database.prepare(
    'SELECT position, length(body) AS size FROM waiting JOIN message USING (position) WHERE queue = ? ORDER BY position',
  ),
};

const commit = database.transaction(({ changes, bytes }: JournalRequest & { kind: 'commit' }) => {
  let offset = 0;
  for (const change of changes) {
    if (change.kind === 'add') {
      const { position, id, contentType, headers, body, queues } = change;
      statements.add.run(position, id, contentType, headers, bytes.subarray(offset, offset + body));
      offset += body;
      for (const queue of queues) statements.wait.run(queue, position);
    } else apply(change);
  }
});

function apply(change: OtherChange): void {
  if (change.kind === 'settle') {
    statements.settle.run(change.queue, change.position);
    if (change.last) statements.forget.run(change.position);
  } else if (change.kind === 'make') {
    statements.make.run(change.queue, change.stream, change.name);
  } else if (change.kind === 'drop') {
    statements.drop.run(change.queue);
    statements.empty.run(change.queue);
    for (const position of change.messages) statements.forget.run(position);
  } else {
    statements.mark.run(change.position, change.queue);
  }
}

function load(): KeptQueue[] {
  database.exec(`
    DELETE FROM waiting WHERE queue NOT IN (SELECT id FROM queue);
    DELETE FROM message WHERE position NOT IN (SELECT position FROM waiting);
    PRAGMA incremental_vacuum;
  `);
  return (statements.queues.all() as Omit<KeptQueue, 'messages'>[]).map((queue) => ({
    ...queue,
    messages: statements.waiting.all(queue.id) as { position: number; size: number }[],
  }));
}

function answer(request: JournalRequest): unknown {
  if (request.kind === 'commit') return commit.immediate(request);
  if (request.kind === 'load') return load();
  if (request.kind === 'read') return request.positions.flatMap((position) => statements.read.all(position));
  database.close();
  parentPort?.close();
  return undefined;
}

parentPort?.on('message', (request: JournalRequest) => {
  let told: JournalAnswer;
  try {
    told = { value: answer(request) };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    told = { error: code === undefined ? message : `${code}: ${message}` };
  }
  parentPort?.postMessage(told);
});
