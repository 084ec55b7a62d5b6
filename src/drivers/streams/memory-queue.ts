import type { Delivery, QueueCounts, StreamMessage, SubscribeOptions, Subscription } from './stream.js';

/** A message in queues. */
export interface Entry {
  /** Its number: messages are given out in the order of these. */
  position: number;
  size: number;
  /** Null: it is on the disk only. */
  message: StreamMessage | null;
  /** How many queues that last have not done with it. */
  holders: number;
}

/** How a queue's content is kept on the disk; without it, it is not. */
export interface Keeping {
  /** Messages that are on the disk, in any order. */
  load(positions: readonly number[]): Promise<Map<number, StreamMessage>>;
  /**
   * Notes that messages up to this position may have been given out. Resolves once that is certain to be known after
   * a crash.
   */
  mark(position: number): Promise<void>;
  /** What was noted when the queue was read from the disk: messages up to here may have been given out before. */
  marked: number;
}

interface QueueOptions {
  keeping: Keeping | null;
  /** Called for each message that the queue has done with. */
  done(entry: Entry): void;
  /** What the queue holds at most, if it leaves out the oldest messages rather than refuse new ones. */
  dropAbove: number | null;
}

interface Reader extends SubscribeOptions {
  closed: boolean;
}

/** Others get their turn after so many messages. */
const turn = 256;
/** How far ahead it is noted what may have been given out: one write on the disk for so many messages. */
const markAhead = 1000;
/** Before what failed on the disk is tried again, in milliseconds. */
const retryPause = 500;
/** How much is fetched from the disk at once. */
const fetched = { messages: 200, bytes: 2 ** 20 };

/** One queue: what waits in it, who reads it, and what is out with the reader. */
export class MemoryQueue {
  readonly #options: QueueOptions;
  #backlog: Entry[] = [];
  #head = 0;
  /** Messages that came back, by position; all of them are older than the backlog. */
  #returned: Entry[] = [];
  readonly #out = new Map<number, Entry>();
  /** The first one reads, the others wait for it to leave. */
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
  /** Bytes of everything that is in it. */
  bytes = 0;
  /** Messages on their way to the disk, for which there has to be room. */
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

  /** The highest position that has been given out; 0 if none. */
  get given(): number {
    return this.#given;
  }

  /** Everything that is in it. */
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
    // Where messages may have to be left out, one that the reader takes at once does not wait for its turn.
    if (dropAbove !== null && !this.#scheduled) this.#pump();
    else this.#schedule();
  }

  subscribe(options: SubscribeOptions): Subscription {
    const reader: Reader = { ...options, closed: false };
    this.#readers.push(reader);
    if (this.#readers[0] === reader) reader.onLink?.(true, null);
    else reader.onLink?.(false, 'somebody else reads this queue');
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

  /** The same as `close`, for good: it has done with what is in it, and with what was on its way to it. */
  remove(): Entry[] {
    this.#removed = true;
    this.close();
    return this.entries();
  }

  /** Gives out what can be given out at once, and then no more. */
  close(): void {
    this.#pump();
    this.#gone = true;
    for (const reader of this.#readers.splice(0)) reader.closed = true;
  }

  #schedule(): void {
    // Whoever gives out messages just now notices by itself what has changed.
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

  /** Gives out what the reader takes; true if it stopped only to let others have their turn. */
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

  /** False if it has to be noted first that this message may have been given out. */
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

  /** Fetches the next messages that are on the disk only. */
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
      // The disk may be there again by then.
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
