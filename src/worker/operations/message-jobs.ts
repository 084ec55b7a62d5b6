import { createHash } from 'node:crypto';
import type { Delivery } from '../../drivers/streams/stream.js';

/** A job as it was made for a message. */
export interface MessageJob {
  id: number;
  uuid: string;
  /** Which message it was made for. */
  key: string;
}

/**
 * What a message is known by when it comes again: its id alone would not do, since ids are the publishers' and two
 * messages may have one. Null for one without an id: another that is just like it could not be told from it.
 */
export function messageKey({
  id,
  contentType,
  body,
}: Pick<Delivery, 'id' | 'contentType' | 'body'>): string | null {
  if (id === '') return null;
  return createHash('sha256')
    .update(JSON.stringify([id, contentType]))
    .update(body)
    .digest('base64url')
    .slice(0, 22);
}

/** So many jobs are remembered whose messages have not come again, or were acknowledged a moment ago. */
const mostRemembered = 2000;

/**
 * The jobs of one operation whose messages may come again: such a message finds the job that was made for it before,
 * whether that was in this life of the server or in the one before it.
 */
export class MessageJobs {
  readonly #load: () => Promise<readonly MessageJob[]>;
  /** Jobs whose messages are here. */
  readonly #taken = new Map<number, MessageJob>();
  /** Jobs whose messages were acknowledged on the present way to the stream: it may be that this gets lost with it. */
  readonly #settled = new Map<number, MessageJob>();
  /** Jobs whose messages come again, if they were not acknowledged: by their ids, the oldest first. */
  readonly #free = new Map<number, MessageJob>();
  readonly #making = new Map<string, Set<Promise<unknown>>>();
  #loaded: Promise<void> | undefined;

  /** @param load the latest jobs of the operation, in any order */
  constructor(load: () => Promise<readonly MessageJob[]>) {
    this.#load = load;
  }

  /** The job that was made for a message that comes again; null if there is none that is free. */
  async claim(key: string): Promise<MessageJob | null> {
    this.#loaded ??= this.#fromBefore().catch((error: unknown) => {
      this.#loaded = undefined;
      throw error;
    });
    await this.#loaded;
    await Promise.allSettled([...(this.#making.get(key) ?? [])]);
    for (const job of this.#free.values()) {
      if (job.key !== key) continue;
      this.#free.delete(job.id);
      this.#taken.set(job.id, job);
      return job;
    }
    return null;
  }

  /** Makes a job for a message; while that is under way, whoever claims it waits. */
  async make<J extends { id: number; uuid: string }>(key: string, work: () => Promise<J>): Promise<J> {
    const making = work();
    const set = this.#making.get(key) ?? new Set();
    this.#making.set(key, set.add(making));
    try {
      const { id, uuid } = await making;
      this.#taken.set(id, { id, uuid, key });
      return await making;
    } finally {
      set.delete(making);
      if (set.size === 0) this.#making.delete(key);
    }
  }

  /** The way to the stream is lost: its message comes again. */
  release(id: number): void {
    const job = this.#taken.get(id);
    if (job === undefined) return;
    this.#taken.delete(id);
    remember(this.#free, job);
  }

  /** The way to the stream is lost, and with it perhaps what was acknowledged last. */
  linkLost(): void {
    for (const job of this.#settled.values()) remember(this.#free, job);
    this.#settled.clear();
  }

  /** Its message is done with, and acknowledged. */
  settle(id: number): void {
    const job = this.#taken.get(id);
    if (job === undefined) return;
    this.#taken.delete(id);
    remember(this.#settled, job);
  }

  /** No message that was given out before comes any more: a new one has come, and those come first. */
  forgetFree(): void {
    this.#loaded ??= Promise.resolve();
    this.#free.clear();
  }

  async #fromBefore(): Promise<void> {
    const found = await this.#load();
    const known = [...this.#free.values()];
    this.#free.clear();
    // Those of the life before stand first: their messages come first.
    for (const job of [...found].sort((a, b) => a.id - b.id)) {
      if (!this.#taken.has(job.id) && !this.#settled.has(job.id)) this.#free.set(job.id, job);
    }
    for (const job of known) this.#free.set(job.id, job);
  }
}

function remember(jobs: Map<number, MessageJob>, job: MessageJob): void {
  jobs.set(job.id, job);
  if (jobs.size > mostRemembered) jobs.delete(jobs.keys().next().value ?? 0);
}
