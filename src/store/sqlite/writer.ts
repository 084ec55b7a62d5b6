import type { Job, JobEvent } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import { type CompanionKind, companions, type JobCompanions } from '../companions.js';
import type { Reserve } from '../folder/reserve.js';
import type { PrismaPromise } from '../generated/internal/prismaNamespace.js';
import { openWriter, type PrismaClient } from './client.js';
import { eventRecord, jobRecord } from './job-sql.js';
import { WriteThread } from './write-thread.js';

const companionKinds = Object.keys(companions) as CompanionKind[];

/** A new or changed row of a job, with its event. */
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
 * The only writer. SQLite takes one write at a time, and every commit costs a sync to disk: so writes queue here, and
 * whatever has gathered is committed together, in order. A caller is answered only after its commit. Commits run in a
 * separate thread, so that a slow disk or another program's lock holds up no request.
 */
export class Writer {
  readonly #thread: WriteThread;
  readonly #client: PrismaClient;
  readonly #reserve: Reserve;
  #queue: (JobWrite | BatchWrite)[] = [];
  #running = false;
  /** True if the batch that is being run adds rows. */
  #adding = false;

  /** @param reserve space for what must be written even on a full disk */
  constructor(file: string, reserve: Reserve) {
    this.#thread = new WriteThread(file);
    this.#reserve = reserve;
    const adapter = this.#thread.adapter(() => {
      this.#adding = true;
      return !reserve.spent;
    });
    this.#client = openWriter(adapter);
  }

  /** Returns when everything is written and the thread has closed the database. */
  async close(): Promise<void> {
    // Even if the database is broken, close.
    if (this.#running) await this.batch(() => []).catch(() => []);
    await this.#thread.close().catch(() => {});
    await this.#client.$disconnect();
  }

  /** Stores a new job with its first event and its companions. */
  async insertJob(job: Job, event: JobEvent, companions: JobCompanions): Promise<void> {
    if (this.#reserve.spent) await this.#reserve.make();
    if (this.#reserve.spent) throw diskFull();
    await new Promise<boolean>((resolve, reject) => {
      this.#enqueue({ kind: 'insert', job, event, ...companions, resolve, reject });
    });
  }

  /**
   * Stores a job's next row and the event that led to it, only if the row is still at the previous revision.
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

  /** Runs a statement by itself, in turn with every other write, and gives what comes of it. */
  async one<T>(make: (client: PrismaClient) => PrismaPromise<T>): Promise<T> {
    const [result] = await this.batch((client) => [make(client)]);
    return result as T;
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
    // There may be space again.
    if (this.#reserve.spent) await this.#reserve.make().catch(() => {});
    const run = () => {
      this.#adding = false;
      return this.#client.$transaction(write.make(this.#client));
    };
    try {
      write.resolve(await this.#makingRoom(run, () => !this.#adding));
    } catch (error) {
      this.#fail([write], storeError(error));
    }
  }

  /** After a full disk, retries writes that may use the reserve. */
  async #makingRoom<T>(run: () => Promise<T>, may: () => boolean): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const known = storeError(error);
      const full = known instanceof PenstockError && known.code === 'disk-full';
      if (full && may() && this.#reserve.letGo()) return run();
      throw known;
    }
  }

  /**
   * Rejects failed writes. If the database was locked for long, the writes queued behind them would each wait as long
   * again, so they are rejected at once.
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
    const group = {
      inserts: jobs(inserts),
      updates: jobs(updates),
      companions: companionKinds.map(
        (kind) => [kind, json(inserts.flatMap(companions[kind].records))] as const,
      ),
      events: JSON.stringify(writes.map((write) => eventRecord(write.event))),
    };
    try {
      const commit = () => this.#thread.commit(group);
      const written = new Set(await this.#makingRoom(commit, () => !writes.some(adds)));
      for (const write of writes) write.resolve(written.has(write.event.uuid));
    } catch (error) {
      const known = storeError(error);
      const code = known instanceof PenstockError ? known.code : null;
      // One bad write must not fail the others: retry each by itself.
      if (writes.length > 1 && code !== 'store-unavailable') {
        for (const write of writes) await this.#runJobs([write]);
        return;
      }
      this.#fail(writes, known);
    }
  }
}

/** True for writes that only add to the database: new jobs, and updates of running jobs from outside. */
const adds = (write: JobWrite): boolean => write.kind === 'insert' || write.event.name === 'update';

const diskFull = (cause?: unknown): PenstockError =>
  new PenstockError(
    'disk-full',
    'The disk that holds the database is full. Nothing was changed. Jobs can still be cancelled and deleted; delete some to make room.',
    { cause },
  );

/** The error for the caller if the database fails: temporary failures say so. Other errors pass through. */
export function storeError(error: unknown): unknown {
  if (error instanceof PenstockError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/SQLITE_FULL|database or disk is full|ENOSPC/.test(text)) {
    return diskFull(error);
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
