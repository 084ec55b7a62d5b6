import { createHash } from 'node:crypto';
import type { Delivery } from '../streams/stream.js';

/** A job as it was made for a message. */
export interface MessageJob {
  id: number;
  uuid: string;
  /** Which message it was made for. */
  key: string;
  /** When it was made, the operation's jobs below this id had messages that were done with. */
  open: number;
}

/**
 * What a message is known by when it comes again: its id alone would not do, since ids are the publishers' and two
 * messages may have one, or none.
 */
export function messageKey({ id, contentType, body }: Pick<Delivery, 'id' | 'contentType' | 'body'>): string {
  return createHash('sha256')
    .update(JSON.stringify([id, contentType]))
    .update(body)
    .digest('base64url')
    .slice(0, 22);
}

/** Jobs that are remembered although their messages have not come again for long. */
const mostForgotten = 20_000;

/**
 * The jobs of one operation whose messages are not acknowledged: a message that comes again finds the job that was
 * made for it before, whether that was in this life of the server or in the one before it.
 */
export class MessageJobs {
  readonly #load: () => Promise<readonly MessageJob[]>;
  readonly #open = new Map<number, MessageJob & { taken: boolean }>();
  readonly #lastId: () => number;
  readonly #making = new Map<string, Set<Promise<unknown>>>();
  /** For each that is being made, the latest id before it. */
  readonly #before = new Map<Promise<unknown>, number>();
  #loaded: Promise<void> | undefined;
  /** The first id that this server has made: what was before is in the database. */
  #first: number | null = null;

  /**
   * @param load the latest jobs of the operation, in any order
   * @param lastId the latest id that any job was given
   */
  constructor(load: () => Promise<readonly MessageJob[]>, lastId: () => number) {
    this.#load = load;
    this.#lastId = lastId;
  }

  /** The job that was made for a message that comes again; null if there is none that is free. */
  async claim(key: string): Promise<MessageJob | null> {
    this.#loaded ??= this.#fromBefore().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    await this.#loaded;
    await Promise.allSettled([...(this.#making.get(key) ?? [])]);
    for (const job of this.#open.values()) {
      if (job.taken || job.key !== key) continue;
      job.taken = true;
      return job;
    }
    return null;
  }

  /** Makes a job for a message; while that is under way, whoever claims it waits. */
  async make<J extends { id: number; uuid: string }>(key: string, work: () => Promise<J>): Promise<J> {
    const before = this.#lastId();
    const making = work();
    this.#before.set(making, before);
    const set = this.#making.get(key) ?? new Set();
    this.#making.set(key, set.add(making));
    try {
      const { id, uuid } = await making;
      this.#first ??= id;
      this.#open.set(id, { id, uuid, key, open: 0, taken: true });
      if (this.#open.size > mostForgotten) this.#open.delete(this.#open.keys().next().value ?? 0);
      return await making;
    } finally {
      this.#before.delete(making);
      set.delete(making);
      if (set.size === 0) this.#making.delete(key);
    }
  }

  /** Its message comes again, if at all: the job is free for it. */
  release(id: number): void {
    const job = this.#open.get(id);
    if (job !== undefined) job.taken = false;
  }

  /** Its message is done with. */
  settle(id: number): void {
    this.#open.delete(id);
  }

  /**
   * No message that was given out before comes any more: a new one has come, and those come first. Jobs that are free
   * had messages that are done with.
   */
  forgetFree(): void {
    this.#loaded ??= Promise.resolve();
    for (const [id, { taken }] of this.#open) if (!taken) this.#open.delete(id);
  }

  /** All of the operation's jobs below this id have messages that are done with. */
  get lowestOpen(): number {
    // One that is being made has no number that is known yet, but it is higher than those that were given before.
    return Math.min(
      this.#lastId() + 1,
      ...[...this.#before.values()].map((id) => id + 1),
      ...this.#open.keys(),
    );
  }

  async #fromBefore(): Promise<void> {
    const found = await this.#load();
    const settled = found.reduce((highest, { open }) => Math.max(highest, open - 1), 0);
    const first = this.#first ?? Number.POSITIVE_INFINITY;
    // Those of the life before stand first: their messages come first.
    const known = [...this.#open];
    this.#open.clear();
    for (const job of [...found].sort((a, b) => a.id - b.id)) {
      if (job.id > settled && job.id < first) this.#open.set(job.id, { ...job, taken: false });
    }
    for (const [id, job] of known) this.#open.set(id, job);
  }
}
