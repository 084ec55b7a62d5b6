import { Worker as Thread } from 'node:worker_threads';
import type { Job, JobEvent } from '../domain/job.js';
import { PenstockError } from '../errors.js';
import type { PrismaClient } from './client.js';
import type { Committed, Group } from './commit-thread.js';
import { type CompanionKind, companions, type JobCompanions } from './companions.js';
import type { PrismaPromise } from './generated/internal/prismaNamespace.js';
import { eventRecord, jobRecord } from './job-sql.js';

const companionKinds = Object.keys(companions) as CompanionKind[];

/** A job's new row, or its next one, with the event that goes with it. */
interface JobWrite extends JobCompanions {
  kind: 'insert' | 'update';
  job: Job;
  event: JobEvent;
  resolve: (written: boolean) => void;
  reject: (error: unknown) => void;
}

interface BatchWrite {
  kind: 'batch';
  make: (client: PrismaClient) => PrismaPromise<unknown>[];
  resolve: (results: unknown[]) => void;
  reject: (error: unknown) => void;
}

/**
 * The one writer. SQLite takes one write at a time, and every commit costs a sync to the disk: so writes queue
 * here, and whatever has gathered is committed together, in order. A caller is answered only after its commit.
 */
export class Writer {
  readonly #client: PrismaClient;
  readonly #thread: Thread;
  #committed: ((answer: Committed) => void) | undefined;
  #queue: (JobWrite | BatchWrite)[] = [];
  #running = false;

  constructor(client: PrismaClient, file: string) {
    this.#client = client;
    // Compiled code runs in threads; from the sources (in tests) it is taken from the build.
    const place = import.meta.url.endsWith('.ts') ? '../../dist/store/' : './';
    this.#thread = new Thread(new URL(`${place}commit-thread.js`, import.meta.url), {
      workerData: file,
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 128 },
    });
    this.#thread.unref();
    const answered = (answer: Committed) => {
      const tell = this.#committed;
      this.#committed = undefined;
      tell?.(answer);
    };
    this.#thread.on('message', answered);
    this.#thread.on('error', (error: Error) =>
      answered({ error: `the committing thread ended: ${error.message}` }),
    );
  }

  /** Returns when everything is written and the thread has let go of the database. */
  async close(): Promise<void> {
    // A database that is out of order is no reason to stay.
    if (this.#running) await this.batch(() => []).catch(() => []);
    await new Promise<void>((resolve) => {
      this.#thread.once('exit', () => resolve());
      this.#thread.ref();
      this.#thread.postMessage('close');
    });
  }

  #commit(group: Group): Promise<Committed> {
    return new Promise((resolve) => {
      this.#committed = resolve;
      this.#thread.ref();
      this.#thread.postMessage(group);
    });
  }

  /** Stores a new job with its first event, and what belongs to it. */
  async insertJob(job: Job, event: JobEvent, companions: JobCompanions): Promise<void> {
    await new Promise<boolean>((resolve, reject) => {
      this.#enqueue({ kind: 'insert', job, event, ...companions, resolve, reject });
    });
  }

  /**
   * Stores a job's next row and the event that led to it, only if the row is still at the revision before.
   *
   * @returns false if somebody else was first; then nothing was written
   */
  updateJob(job: Job, event: JobEvent): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: 'update', job, event, resolve, reject });
    });
  }

  /** Runs statements as one transaction, all or nothing, in turn with every other write. */
  batch(make: (client: PrismaClient) => PrismaPromise<unknown>[]): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: 'batch', make, resolve, reject });
    });
  }

  #enqueue(write: JobWrite | BatchWrite): void {
    this.#queue.push(write);
    if (this.#running) return;
    this.#running = true;
    // One turn of the event loop lets what arrives together be committed together.
    setImmediate(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const first = this.#queue[0];
      if (first?.kind === 'batch') {
        this.#queue.shift();
        await this.#runBatch(first);
      } else {
        await this.#runJobs(this.#takeJobWrites());
      }
    }
    this.#running = false;
  }

  /** The longest run of job writes from the head of the queue in which no job is updated twice. */
  #takeJobWrites(): JobWrite[] {
    const taken: JobWrite[] = [];
    const updated = new Set<number>();
    for (const write of this.#queue) {
      if (write.kind === 'batch' || taken.length >= 500) break;
      if (write.kind === 'update') {
        if (updated.has(write.job.id)) break;
        updated.add(write.job.id);
      }
      taken.push(write);
    }
    this.#queue.splice(0, taken.length);
    return taken;
  }

  async #runBatch(write: BatchWrite): Promise<void> {
    try {
      write.resolve(await this.#client.$transaction(write.make(this.#client)));
    } catch (error) {
      this.#fail([write], storeError(error));
    }
  }

  /**
   * Tells writes why they failed. A locked database has kept them waiting for long; who has queued up behind them would
   * wait as long again, each in turn, and is told at once.
   */
  #fail(writes: readonly (JobWrite | BatchWrite)[], error: unknown): void {
    const all = error instanceof PenstockError && error.code === 'store-unavailable';
    for (const write of [...writes, ...(all ? this.#queue.splice(0) : [])]) write.reject(error);
  }

  async #runJobs(writes: JobWrite[]): Promise<void> {
    const inserts = writes.filter((write) => write.kind === 'insert');
    const updates = writes.filter((write) => write.kind === 'update');
    const json = (list: unknown[]) => (list.length === 0 ? null : JSON.stringify(list));
    const jobs = (list: JobWrite[]) => json(list.map((write) => jobRecord(write.job)));
    const answer = await this.#commit({
      inserts: jobs(inserts),
      updates: jobs(updates),
      companions: companionKinds.map((kind) => [kind, json(inserts.flatMap(companions[kind].records))]),
      events: JSON.stringify(writes.map((write) => eventRecord(write.event))),
    });
    this.#thread.unref();
    if ('error' in answer) {
      const known = storeError(new Error(answer.error));
      // One that cannot be written must not take the others with it: each for itself.
      if (writes.length > 1 && !(known instanceof PenstockError)) {
        for (const write of writes) await this.#runJobs([write]);
        return;
      }
      this.#fail(writes, known);
      return;
    }
    const written = new Set(answer.written);
    for (const write of writes) write.resolve(written.has(write.event.uuid));
  }
}

/** What the caller is told when the database will not: what heals by itself says so. Other errors pass through. */
export function storeError(error: unknown): unknown {
  if (error instanceof PenstockError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/SQLITE_FULL|database or disk is full|ENOSPC/.test(text)) {
    return new PenstockError(
      'disk-full',
      'The database cannot grow: the disk is full. Nothing was changed.',
      {
        cause: error,
      },
    );
  }
  if (
    /SQLITE_BUSY|database is locked|SQLITE_IOERR|SQLITE_CANTOPEN|SocketTimeout|[Oo]perations? (has )?timed out/.test(
      text,
    )
  ) {
    return new PenstockError(
      'store-unavailable',
      'The database is locked or unreachable. Nothing was changed.',
      {
        headers: { 'Retry-After': '1' },
        cause: error,
      },
    );
  }
  return error;
}
