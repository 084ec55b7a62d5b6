import type { Job, JobEvent } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import { type CompanionKind, companions, type JobCompanions } from '../companions.js';
import type { Reserve } from '../folder/reserve.js';
import type { PrismaPromise } from '../generated/internal/prismaNamespace.js';
import { openWriter, type PrismaClient } from './client.js';
import { eventRecord, jobRecord } from './job-sql.js';
import { WriteThread } from './write-thread.js';

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
 * here, and whatever has gathered is committed together, in order. A caller is answered only after its commit. All of
 * it happens in a thread of its own: a disk that is slow, or a lock of another program, holds up no request.
 */
export class Writer {
  readonly #thread: WriteThread;
  readonly #client: PrismaClient;
  readonly #reserve: Reserve;
  #queue: (JobWrite | BatchWrite)[] = [];
  #running = false;
  /** True if the batch that is being run adds rows. */
  #adding = false;

  /** @param reserve room for what must be written on a full disk, too */
  constructor(file: string, reserve: Reserve) {
    this.#thread = new WriteThread(file);
    this.#reserve = reserve;
    const adapter = this.#thread.adapter(() => {
      this.#adding = true;
      return !reserve.spent;
    });
    this.#client = openWriter(adapter);
  }

  /** Returns when everything is written and the thread has let go of the database. */
  async close(): Promise<void> {
    // A database that is out of order is no reason to stay.
    if (this.#running) await this.batch(() => []).catch(() => []);
    await this.#thread.close().catch(() => {});
    await this.#client.$disconnect();
  }

  /** Stores a new job with its first event, and what belongs to it. */
  async insertJob(job: Job, event: JobEvent, companions: JobCompanions): Promise<void> {
    if (this.#reserve.spent) await this.#reserve.make();
    if (this.#reserve.spent) throw diskFull();
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
    // There may be room again since the latest look.
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

  /** Runs what may use the reserve once more after the disk was full. */
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
      // One that cannot be written must not take the others with it: each for itself.
      if (writes.length > 1 && code !== 'store-unavailable') {
        for (const write of writes) await this.#runJobs([write]);
        return;
      }
      this.#fail(writes, known);
    }
  }
}

/** True for what only adds to the database: new jobs, and what is told of them from outside as they go on. */
const adds = (write: JobWrite): boolean => write.kind === 'insert' || write.event.name === 'update';

const diskFull = (cause?: unknown): PenstockError =>
  new PenstockError(
    'disk-full',
    'The disk that holds the database is full. Nothing was changed. Jobs can still be cancelled and deleted; delete some to make room.',
    { cause },
  );

/** What the caller is told when the database will not: what heals by itself says so. Other errors pass through. */
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
