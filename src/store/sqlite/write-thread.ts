import { Worker as Thread } from 'node:worker_threads';
import {
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlQuery,
  type SqlResultSet,
} from '@prisma/driver-adapter-utils';
import { programFile } from '../../lib/package.js';
import type { Group, WriteAnswer, WriteRequest } from './commit-thread.js';

interface Asked {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Our end of the writing thread. It answers in the order of requests. */
export class WriteThread {
  readonly #file: string;
  #thread: Thread | undefined;
  #asked: Asked[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  /** Commits a group of job writes. @returns the uuids of the events that were written */
  commit(group: Group): Promise<string[]> {
    return this.#ask({ kind: 'commit', group });
  }

  /** Returns when the thread has closed the database. */
  async close(): Promise<void> {
    if (this.#thread !== undefined) await this.#ask({ kind: 'close' });
  }

  /**
   * The adapter that runs Prisma's statements. It only runs whole transactions, one after the other, as the writer's
   * queue ensures.
   *
   * @param mayAdd called before each statement that adds rows; false ends the transaction like a full disk
   */
  adapter(mayAdd: () => boolean): SqlDriverAdapter {
    const look = ({ sql }: SqlQuery) => {
      if (/^\s*INSERT\b/i.test(sql) && !mayAdd()) throw new DriverAdapterError(full);
    };
    const queryable = {
      provider: 'sqlite' as const,
      adapterName: 'penstock-write-thread',
      queryRaw: async (query: SqlQuery) => {
        look(query);
        return this.#ask<SqlResultSet>({ kind: 'query', query });
      },
      executeRaw: async (query: SqlQuery) => {
        look(query);
        return this.#ask<number>({ kind: 'execute', query });
      },
    };
    return {
      ...queryable,
      executeScript: async () => {
        throw new Error('the writing thread does not run scripts');
      },
      startTransaction: async () => {
        await this.#ask({ kind: 'begin' });
        // COMMIT and ROLLBACK come as statements before these are called.
        return { ...queryable, options: { usePhantomQuery: false }, commit: done, rollback: done };
      },
      dispose: done,
    };
  }

  #ask<T>(request: WriteRequest): Promise<T> {
    this.#thread ??= this.#start();
    const to = this.#thread;
    return new Promise<T>((resolve, reject) => {
      this.#asked.push({ resolve: resolve as (value: unknown) => void, reject });
      to.ref();
      to.postMessage(request);
    });
  }

  #start(): Thread {
    const thread = new Thread(programFile('commit-thread'), {
      workerData: this.#file,
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 },
    });
    /** Rejects all waiting calls; the next request starts another thread. */
    const ended = (reason: string) => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      for (const { reject } of this.#asked.splice(0)) reject(new Error(reason));
    };
    thread.on('message', (answer: WriteAnswer) => {
      const waiting = this.#asked.shift();
      // An idle thread does not keep the process alive.
      if (this.#asked.length === 0) thread.unref();
      if ('value' in answer) waiting?.resolve(answer.value);
      else if (answer.cause === undefined) waiting?.reject(new Error(answer.error));
      else waiting?.reject(new DriverAdapterError(answer.cause));
    });
    thread.on('error', (error: Error) => ended(`the writing thread has failed: ${error.message}`));
    thread.on('exit', () => ended('the writing thread has ended'));
    return thread;
  }
}

/** SQLite's own error for a full disk. */
const full = { kind: 'sqlite', extendedCode: 13, message: 'database or disk is full' } as const;

const done = async (): Promise<void> => {};
