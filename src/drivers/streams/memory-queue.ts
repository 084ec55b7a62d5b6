import type { Delivery, QueueCounts, StreamMessage, SubscribeOptions, Subscription } from './stream.js';

/** A message in queues. */
export interface Entry {
  /** Its number: messages are delivered in this order. */
  position: number;
  size: number;
  /** Null: it is only on disk. */
  message: StreamMessage | null;
  /** How many durable queues have not settled it. */
  holders: number;
}

/** Keeps a queue's content on disk; without it, the queue is only in memory. */
export interface Keeping {
  /** Loads messages from disk, in any order. */
  load(positions: readonly number[]): Promise<Map<number, StreamMessage>>;
  /**
   * Records that messages up to this position may have been delivered. Resolves once the record is certain to survive a
   * crash.
   */
  mark(position: number): Promise<void>;
  /** The recorded position when the queue was loaded: messages up to here may have been delivered before. */
  marked: number;
}

interface QueueOptions {
  keeping: Keeping | null;
  /** Called for each message that the queue has settled. */
  done(entry: Entry): void;
  /** The most messages in the queue, if it drops the oldest ones rather than refuse new ones. */
  dropAbove: number | null;
}

interface Reader extends SubscribeOptions {
  closed: boolean;
}

/** How many messages to deliver before others get their turn. */
const turn = 256;
/** How far ahead deliveries are recorded: one write to disk for so many messages. */
const markAhead = 1000;
/** Milliseconds before a failed disk operation is retried. */
const retryPause = 500;
/** How much is loaded from disk at once. */
const fetched = { messages: 200, bytes: 2 ** 20 };

/** One queue: its waiting messages, its readers, and the messages that the reader holds. */
export class MemoryQueue {
  readonly #options: QueueOptions;
  #backlog: Entry[] = [];
  #head = 0;
  /** Messages that were given back, by position; all of them are older than the backlog. */
  #returned: Entry[] = [];
  readonly #out = new Map<number, Entry>();
  /** The first reader reads; the others wait for it to leave. */
  readonly #readers: Reader[] = [];
  readonly #loaded = new Map<number, StreamMessage>();
  #loading = false;
  #marked: number;
  #marking = false;
  #given = 0;
  #scheduled = false;
  #pumping = false;
  #gone = false;
  #removed = false;
  /** Bytes of everything in it. */
  bytes = 0;
  /** Messages being written to disk, for which room is reserved. */
  coming = { messages: 0, bytes: 0 };

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#marked = options.keeping?.marked ?? 0;
  }

  get counts(): QueueCounts {
    return {
      ready: this.#backlog.length - this.#head + this.#returned.length,
      unsettled: this.#out.size,
    };
  }

  /** The highest position that has been delivered; 0 if none. */
  get given(): number {
    return this.#given;
  }

  /** Everything in it. */
  entries(): Entry[] {
    return [...this.#returned, ...this.#out.values(), ...this.#backlog.slice(this.#head)];
  }

  hasRoom(size: number, most: { messages: number; bytes: number }): boolean {
    const { ready, unsettled } = this.counts;
    return (
      ready + unsettled + this.coming.messages < most.messages &&
      this.bytes + this.coming.bytes + size <= most.bytes
    );
  }

  push(entry: Entry): void {
    if (this.#gone) {
      if (this.#removed) this.#options.done(entry);
      return;
    }
    const { dropAbove } = this.#options;
    if (dropAbove !== null && this.#backlog.length - this.#head >= dropAbove) this.#finish(this.#shift());
    this.#backlog.push(entry);
    this.bytes += entry.size;
    // If messages may be dropped, one that the reader can take at once is delivered immediately.
    if (dropAbove !== null && !this.#scheduled) this.#pump();
    else this.#schedule();
  }

  subscribe(options: SubscribeOptions): Subscription {
    const reader: Reader = { ...options, closed: false };
    this.#readers.push(reader);
    if (this.#readers[0] === reader) reader.onLink?.(true, null);
    else reader.onLink?.(false, 'another subscriber reads this queue');
    this.#schedule();
    return {
      close: async () => {
        if (reader.closed) return;
        reader.closed = true;
        const active = this.#readers[0] === reader;
        this.#readers.splice(this.#readers.indexOf(reader), 1);
        if (!active || this.#gone) return;
        this.#takeBack([...this.#out.values()]);
        this.#out.clear();
        this.#readers[0]?.onLink?.(true, null);
        this.#schedule();
      },
    };
  }

  /** Like `close`, but for good: it drops its messages, and those on their way to it. */
  remove(): Entry[] {
    this.#removed = true;
    this.close();
    return this.entries();
  }

  /** Delivers what can be delivered at once, and then no more. */
  close(): void {
    this.#pump();
    this.#gone = true;
    for (const reader of this.#readers.splice(0)) reader.closed = true;
  }

  #schedule(): void {
    // A delivery loop in progress notices the change by itself.
    if (this.#pumping || this.#scheduled || this.#gone || this.#readers.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let more = false;
    try {
      more = this.#giveOut();
    } finally {
      this.#pumping = false;
    }
    if (more) this.#schedule();
  }

  /** Delivers as many as the reader accepts; true if it stopped only to give others a turn. */
  #giveOut(): boolean {
    for (let given = 0; ; given += 1) {
      const [reader] = this.#readers;
      if (this.#gone || reader === undefined || this.#out.size >= reader.prefetch) return false;
      const returned = this.#returned[0];
      const entry = returned ?? this.#backlog[this.#head];
      if (entry === undefined) return false;
      if (given === turn) return true;
      if (!this.#isMarked(entry.position)) return false;
      const message = entry.message ?? this.#loaded.get(entry.position);
      if (message === undefined) {
        void this.#fetch();
        return false;
      }
      this.#loaded.delete(entry.position);
      if (returned === undefined) this.#shift();
      else this.#returned.shift();
      this.#out.set(entry.position, entry);
      this.#given = Math.max(this.#given, entry.position);
      const before = entry.position <= (this.#options.keeping?.marked ?? 0);
      reader.onMessage(this.#deliveryOf(message, entry, reader, returned !== undefined || before));
    }
  }

  #deliveryOf(message: StreamMessage, entry: Entry, reader: Reader, redelivered: boolean): Delivery {
    let settled = false;
    const settle = (): boolean => {
      if (settled || reader.closed || this.#gone) return false;
      settled = true;
      this.#out.delete(entry.position);
      this.#schedule();
      return true;
    };
    return {
      ...message,
      redelivered,
      ack: () => {
        if (settle()) this.#finish(entry);
      },
      giveBack: () => {
        if (settle()) this.#takeBack([entry]);
      },
    };
  }

  #shift(): Entry {
    const entry = this.#backlog[this.#head] as Entry;
    this.#head += 1;
    if (this.#head > 1000 && this.#head * 2 > this.#backlog.length) {
      this.#backlog = this.#backlog.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  #finish(entry: Entry): void {
    this.bytes -= entry.size;
    this.#options.done(entry);
  }

  #takeBack(entries: readonly Entry[]): void {
    this.#returned.push(...entries);
    this.#returned.sort((one, other) => one.position - other.position);
    this.#schedule();
  }

  /** False if the delivery of this message must be recorded first. */
  #isMarked(position: number): boolean {
    const { keeping } = this.#options;
    if (keeping === null) return true;
    if (position > this.#marked - markAhead / 2 && !this.#marking) {
      this.#marking = true;
      const next = position + markAhead;
      const done = () => {
        this.#marking = false;
        this.#schedule();
      };
      keeping.mark(next).then(
        () => {
          this.#marked = next;
          done();
        },
        () => this.#later(done),
      );
    }
    return position <= this.#marked;
  }

  /** Loads the next messages that are only on disk. */
  async #fetch(): Promise<void> {
    const { keeping } = this.#options;
    if (this.#loading || keeping === null) return;
    this.#loading = true;
    const wanted: number[] = [];
    let bytes = 0;
    const ahead = this.#backlog.slice(this.#head, this.#head + fetched.messages);
    for (const { position, size, message } of [...this.#returned, ...ahead].slice(0, fetched.messages)) {
      if (message !== null || this.#loaded.has(position)) continue;
      bytes += size;
      if (wanted.length > 0 && bytes > fetched.bytes) break;
      wanted.push(position);
    }
    try {
      for (const [position, message] of await keeping.load(wanted)) this.#loaded.set(position, message);
    } catch {
      // The disk may work again by then.
      this.#later(() => {
        this.#loading = false;
        this.#schedule();
      });
      return;
    }
    this.#loading = false;
    this.#schedule();
  }

  #later(work: () => void): void {
    setTimeout(work, retryPause).unref();
  }
}
