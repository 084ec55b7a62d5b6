import type { Journal } from './journal.js';
import type { KeptQueue } from './journal-thread.js';
import { type Entry, type Keeping, MemoryQueue } from './memory-queue.js';
import {
  type QueueCounts,
  StreamFailure,
  type StreamMessage,
  type StreamSettings,
  type SubscribeOptions,
  type Subscription,
} from './stream.js';

interface ChannelContext {
  numbers: { message: number; queue: number };
  settings(name: string): StreamSettings;
  maxBytes: number;
  journal(): Journal;
}

/** Bytes of a durable stream's bodies that are also kept in memory, so that fast readers do not need the disk. */
const cached = 4 * 2 ** 20;
/** The most messages in a subscriber's own queue. */
const ownQueueMessages = 10_000;

interface LastingQueue {
  queue: MemoryQueue;
  /** Its number on disk; null if it is not stored. */
  id: number | null;
}

/** One stream: its queues and their messages. */
export class MemoryChannel {
  readonly #name: string;
  readonly #context: ChannelContext;
  readonly #lasting = new Map<string, LastingQueue>();
  readonly #own = new Set<MemoryQueue>();
  /** Queues that are being created. */
  readonly #making = new Map<string, Promise<void>>();
  #cachedBytes = 0;
  /** Publications that wait for the disk; a queue is only deleted after them. */
  readonly #going = new Set<Promise<unknown>>();

  constructor(name: string, context: ChannelContext) {
    this.#name = name;
    this.#context = context;
  }

  /** Restores queues from disk. */
  restore(queues: readonly KeptQueue[]): void {
    const entries = new Map<number, Entry>();
    for (const { id, name, mark, messages } of queues) {
      const { queue } = this.#add(name, id, mark);
      for (const { position, size } of messages) {
        const entry = entries.get(position) ?? { position, size, message: null, holders: 0 };
        entries.set(position, entry);
        entry.holders += 1;
        queue.push(entry);
      }
    }
  }

  /** Resolves when every queue, or the named one, has the message; either all of them accept it or none. */
  async publish(message: StreamMessage, only?: string): Promise<void> {
    const { maxMessages } = this.#context.settings(this.#name);
    const most = { messages: maxMessages, bytes: this.#context.maxBytes };
    const size = message.body.length;
    const queues = [...this.#lasting.entries()].filter(([name]) => only === undefined || name === only);
    const full = queues.find(([, { queue }]) => !queue.hasRoom(size, most));
    if (full !== undefined) {
      throw new StreamFailure(
        `The queue ${full[0]} of the stream ${this.#name} is full: it holds at most ${most.messages} messages or ${most.bytes} bytes.`,
        'full',
      );
    }
    this.#context.numbers.message += 1;
    const position = this.#context.numbers.message;
    const kept = queues.filter(([, { id }]) => id !== null);
    if (kept.length > 0)
      await this.#keep(
        position,
        message,
        kept.map(([, lasting]) => lasting),
      );
    const entry: Entry = { position, size, message, holders: queues.length };
    if (kept.length > 0) {
      if (this.#cachedBytes + size > cached) entry.message = null;
      else this.#cachedBytes += size;
    }
    for (const [, { queue }] of queues) queue.push(entry);
    if (only !== undefined) return;
    for (const own of this.#own) own.push({ position, size, message, holders: 1 });
  }

  async #keep(position: number, message: StreamMessage, queues: readonly LastingQueue[]): Promise<void> {
    const { id, contentType, body } = message;
    const coming = (messages: number, bytes: number) => {
      for (const { queue } of queues) {
        queue.coming.messages += messages;
        queue.coming.bytes += bytes;
      }
    };
    coming(1, body.length);
    const written = this.#context.journal().commit({
      kind: 'add',
      position,
      id,
      contentType,
      headers: JSON.stringify(message.headers),
      body,
      queues: queues.flatMap((queue) => queue.id ?? []),
    });
    this.#going.add(written);
    try {
      await written;
    } finally {
      this.#going.delete(written);
      coming(-1, -body.length);
    }
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    if (options.queue !== null) return (await this.#make(options.queue)).subscribe(options);
    const own = new MemoryQueue({ keeping: null, done: () => undefined, dropAbove: ownQueueMessages });
    this.#own.add(own);
    const subscription = own.subscribe(options);
    return {
      close: async () => {
        this.#own.delete(own);
        await subscription.close();
      },
    };
  }

  counts(name: string): QueueCounts | null {
    return this.#lasting.get(name)?.queue.counts ?? null;
  }

  async remove(name: string): Promise<void> {
    await this.#making.get(name)?.catch(() => undefined);
    const lasting = this.#lasting.get(name);
    if (lasting === undefined) return;
    this.#lasting.delete(name);
    const { queue, id } = lasting;
    await Promise.allSettled(this.#going);
    const left = queue.remove();
    for (const entry of left) this.#release(entry);
    if (id === null) return;
    const messages = left.filter(({ holders }) => holders === 0).map(({ position }) => position);
    await this.#context.journal().commit({ kind: 'drop', queue: id, messages });
  }

  async removeAll(): Promise<void> {
    for (const name of [...this.#lasting.keys()]) await this.remove(name);
    for (const own of this.#own) own.close();
    this.#own.clear();
  }

  close(): void {
    for (const { queue, id } of this.#lasting.values()) {
      queue.close();
      // Nothing more is delivered, so what was delivered is known exactly.
      if (id !== null && queue.given > 0) {
        this.#context.journal().note({ kind: 'mark', queue: id, position: queue.given });
      }
    }
    for (const own of this.#own) own.close();
  }

  /** Creates the queue of that name before anything else is published. */
  async #make(name: string): Promise<MemoryQueue> {
    const known = this.#lasting.get(name);
    if (known !== undefined) {
      await this.#making.get(name);
      return known.queue;
    }
    const { durable } = this.#context.settings(this.#name);
    if (!durable) return this.#add(name, null, 0).queue;
    this.#context.numbers.queue += 1;
    const id = this.#context.numbers.queue;
    const { queue } = this.#add(name, id, 0);
    const made = this.#context.journal().commit({ kind: 'make', queue: id, stream: this.#name, name });
    this.#making.set(name, made);
    try {
      await made;
    } catch (error) {
      this.#lasting.delete(name);
      throw error;
    } finally {
      this.#making.delete(name);
    }
    return queue;
  }

  #add(name: string, id: number | null, marked: number): LastingQueue {
    const journal = () => this.#context.journal();
    const keeping: Keeping | null =
      id === null
        ? null
        : {
            marked,
            load: (positions) => journal().read(positions),
            mark: (position) => journal().commit({ kind: 'mark', queue: id, position }),
          };
    const done = (entry: Entry) => {
      this.#release(entry);
      if (id === null) return;
      journal().note({ kind: 'settle', queue: id, position: entry.position, last: entry.holders === 0 });
    };
    const lasting = { queue: new MemoryQueue({ keeping, done, dropAbove: null }), id };
    this.#lasting.set(name, lasting);
    return lasting;
  }

  /** One queue fewer needs the message. */
  #release(entry: Entry): void {
    entry.holders -= 1;
    if (entry.holders > 0 || entry.message === null) return;
    this.#cachedBytes = Math.max(0, this.#cachedBytes - entry.size);
    entry.message = null;
  }
}
