import { createHash } from 'node:crypto';
import type { Delivery } from '../../drivers/streams/stream.js';

/** A job that was made for a message. */
export interface MessageJob {
  id: number;
  uuid: string;
  /** The key of its message. */
  key: string;
}

/**
 * What identifies a redelivered message. The id alone is not enough, since publishers choose ids and two messages may
 * share one. Null for a message without an id: it could not be told from another with the same content.
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

/** How many jobs are remembered whose messages have not been redelivered, or were just acknowledged. */
const mostRemembered = 2000;

/**
 * The jobs of one operation whose messages may be redelivered: such a message finds its earlier job, even one from
 * before a restart.
 */
export class MessageJobs {
  readonly #load: () => Promise<readonly MessageJob[]>;
  /** Jobs whose messages are here. */
  readonly #taken = new Map<number, MessageJob>();
  /** Jobs whose messages were acknowledged on the present connection: the acknowledgement may get lost with it. */
  readonly #settled = new Map<number, MessageJob>();
  /** Jobs whose messages will be redelivered unless they were acknowledged: by id, oldest first. */
  readonly #free = new Map<number, MessageJob>();
  readonly #making = new Map<string, Set<Promise<unknown>>>();
  #loaded: Promise<void> | undefined;

  /** @param load the latest jobs of the operation, in any order */
  constructor(load: () => Promise<readonly MessageJob[]>) {
    this.#load = load;
  }

  /** The job of a redelivered message; null if none is free. */
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

  /** Makes a job for a message; whoever claims it meanwhile waits. */
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

  /** The connection to the stream is lost: the message will be redelivered. */
  release(id: number): void {
    const job = this.#taken.get(id);
    if (job === undefined) return;
    this.#taken.delete(id);
    remember(this.#free, job);
  }

  /** The connection to the stream is lost, and perhaps the latest acknowledgements with it. */
  linkLost(): void {
    for (const job of this.#settled.values()) remember(this.#free, job);
    this.#settled.clear();
  }

  /** Its message is settled and acknowledged. */
  settle(id: number): void {
    const job = this.#taken.get(id);
    if (job === undefined) return;
    this.#taken.delete(id);
    remember(this.#settled, job);
  }

  /** No more redeliveries will come: they come before new messages, and a new one has come. */
  forgetFree(): void {
    this.#loaded ??= Promise.resolve();
    this.#free.clear();
  }

  async #fromBefore(): Promise<void> {
    const found = await this.#load();
    const known = [...this.#free.values()];
    this.#free.clear();
    // Jobs from before the restart come first, as their messages do.
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
