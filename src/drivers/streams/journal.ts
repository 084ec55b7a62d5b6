import { Worker as Thread } from 'node:worker_threads';
import { programFile } from '../../lib/package.js';
import type { Change, JournalAnswer, JournalRequest, KeptMessage, KeptQueue } from './journal-thread.js';
import { StreamFailure, type StreamMessage } from './stream.js';

/** The most that is committed together. */
const group = { changes: 2000, bytes: 16 * 2 ** 20 };
/** Milliseconds before a failed write is retried. */
const pause = 500;

interface Pending {
  change: Change;
  /** Null: nobody waits for it, and it is retried until it succeeds. */
  settle: { resolve(): void; reject(error: StreamFailure): void } | null;
}

/**
 * Changes with all bodies in one buffer that is transferred to the thread: a single body would take its whole
 * underlying buffer along.
 */
function packed(changes: readonly Change[]): [JournalRequest, ArrayBuffer[]] {
  const bodies = changes.flatMap((change) => (change.kind === 'add' ? [change.body] : []));
  const bytes = new Uint8Array(bodies.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  const moved = changes.map((change) => {
    if (change.kind !== 'add') return change;
    bytes.set(change.body, offset);
    offset += change.body.length;
    return { ...change, body: change.body.length };
  });
  return [{ kind: 'commit', changes: moved, bytes }, [bytes.buffer]];
}

/** Messages and queues on disk. Changes are made in the order of the calls. */
export interface Journal {
  load(): Promise<KeptQueue[]>;
  read(positions: readonly number[]): Promise<Map<number, StreamMessage>>;
  /** Resolves once the change is on disk; rejects with a StreamFailure if it never will be. */
  commit(change: Change): Promise<void>;
  /** The same without an answer: it is retried until it succeeds. */
  note(change: Change): void;
  /** Resolves when everything has been written. */
  close(): Promise<void>;
}

/** Opens the file, and creates it if missing. */
export function openJournal(file: string): Journal {
  let thread: Thread | undefined;
  const asked: { resolve(value: unknown): void; reject(error: StreamFailure): void }[] = [];
  let queue: Pending[] = [];
  /**
   * How many changes at the head of the queue are retried one by one, since another change may be why they failed
   * together.
   */
  let alone = 0;
  let running: Promise<void> | undefined;
  let closed = false;

  function start(): Thread {
    const made = new Thread(programFile('journal-thread'), {
      workerData: file,
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 256 },
    });
    made.unref();
    const ended = (reason: string) => {
      // A thread that ends with an error reports it twice; by then there may be a new one.
      if (thread !== made) return;
      thread = undefined;
      for (const { reject } of asked.splice(0)) reject(new StreamFailure(reason));
    };
    made.on('message', (answer: JournalAnswer) => {
      const waiting = asked.shift();
      if (asked.length === 0) made.unref();
      if ('value' in answer) waiting?.resolve(answer.value);
      else waiting?.reject(new StreamFailure(`The streams' file cannot be used: ${answer.error}`));
    });
    made.on('error', (error: Error) => ended(`The streams' file cannot be used: ${error.message}`));
    made.on('exit', () => ended("The streams' file has been closed."));
    return made;
  }

  /** The thread answers in the order of requests. It is restarted if it has ended. */
  function ask<T>(request: JournalRequest, given: ArrayBuffer[] = []): Promise<T> {
    thread ??= start();
    const to = thread;
    return new Promise<T>((resolve, reject) => {
      asked.push({ resolve: resolve as (value: unknown) => void, reject });
      to.ref();
      to.postMessage(request, given);
    });
  }

  function take(): Pending[] {
    let bytes = 0;
    const end = queue.findIndex(({ change }, index) => {
      if (change.kind === 'add') bytes += change.body.length;
      return index >= group.changes || (index > 0 && bytes > group.bytes);
    });
    const most = alone > 0 ? alone : queue.length;
    alone = 0;
    return queue.splice(0, end < 0 ? most : Math.min(end, most));
  }

  /** Rejects every waiting change: otherwise each would in turn wait as long again. */
  function refuse(error: StreamFailure): void {
    for (const { settle } of queue) settle?.reject(error);
    queue = queue.filter(({ settle }) => settle === null);
  }

  async function run(): Promise<void> {
    // One turn of the event loop lets what arrives together be committed together.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (queue.length > 0) {
      const taken = take();
      try {
        await ask(...packed(taken.map(({ change }) => change)));
        for (const { settle } of taken) settle?.resolve();
      } catch (error) {
        for (const { settle } of taken) settle?.reject(error as StreamFailure);
        const again = taken.filter(({ settle }) => settle === null);
        queue = [...again, ...queue];
        // Changes that delete messages make room on a full disk.
        alone = again.length;
        if (again.length < taken.length) continue;
        refuse(error as StreamFailure);
        if (closed) break;
        await new Promise<void>((resolve) => setTimeout(resolve, pause).unref());
      }
    }
    running = undefined;
  }

  function enqueue(pending: Pending): void {
    if (closed) {
      pending.settle?.reject(new StreamFailure('The streams have been closed.'));
      return;
    }
    queue.push(pending);
    running ??= run();
  }

  return {
    load: () => ask({ kind: 'load' }),
    async read(positions) {
      const kept = await ask<KeptMessage[]>({ kind: 'read', positions });
      return new Map(
        kept.map(({ position, id, contentType, headers, body }) => [
          position,
          { id, contentType, headers: JSON.parse(headers) as Record<string, string>, body },
        ]),
      );
    },
    commit: (change) => new Promise((resolve, reject) => enqueue({ change, settle: { resolve, reject } })),
    note: (change) => enqueue({ change, settle: null }),
    async close() {
      closed = true;
      await running;
      if (thread !== undefined) await ask({ kind: 'close' }).catch(() => undefined);
      thread = undefined;
    },
  };
}
