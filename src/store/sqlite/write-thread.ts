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

/** Our end of the thread that writes. It answers in the order in which it is asked. */
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

  /** Returns when the thread has let go of the database. */
  async close(): Promise<void> {
    if (this.#thread !== undefined) await this.#ask({ kind: 'close' });
  }

  /**
   * What Prisma runs its statements by. Only whole transactions are run: one after the other, which the writer's queue
   * sees to.
   *
   * @param mayAdd is asked before each statement that adds rows; false ends the transaction as a full disk would
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
        throw new Error('scripts are not run in the thread that writes');
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
    /** Whoever waits for an answer is told; the next request starts another thread. */
    const ended = (reason: string) => {
      if (this.#thread !== thread) return;
      this.#thread = undefined;
      for (const { reject } of this.#asked.splice(0)) reject(new Error(reason));
    };
    thread.on('message', (answer: WriteAnswer) => {
      const waiting = this.#asked.shift();
      // An idle thread does not keep the process.
      if (this.#asked.length === 0) thread.unref();
      if ('value' in answer) waiting?.resolve(answer.value);
      else if (answer.cause === undefined) waiting?.reject(new Error(answer.error));
      else waiting?.reject(new DriverAdapterError(answer.cause));
    });
    thread.on('error', (error: Error) => ended(`the thread that writes has failed: ${error.message}`));
    thread.on('exit', () => ended('the thread that writes has ended'));
    return thread;
  }
}

/** What SQLite itself says of a full disk. */
const full = { kind: 'sqlite', extendedCode: 13, message: 'database or disk is full' } as const;

const done = async (): Promise<void> => {};
