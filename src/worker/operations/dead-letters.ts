import { deadHeaders, redeliveredHeader } from '../../domain/operations/operation.js';
import type { Delivery, Stream, StreamMessage } from '../../drivers/streams/stream.js';
import type { DeadLetter } from '../../usecases/operations/operations.js';

export interface DeadLetters {
  readonly stream: string;
  /** Resolves when the letter is safe in the queue. */
  put(message: StreamMessage): Promise<void>;
  /** The first letters, which stay in the queue, and how many there are. */
  list(most: number): Promise<{ total: number; letters: DeadLetter[] }>;
  /** Takes out the letters that are there now, each once `away` has resolved; returns how many. */
  take(away: (letter: StreamMessage) => Promise<void>): Promise<number>;
  /** The operation no longer uses that stream: its letters, and whatever else belongs to it alone, are removed. */
  remove(): Promise<void>;
}

export interface DeadLetterOptions {
  streams: Omit<Stream, 'close'>;
  stream: string;
  queue: string;
  /** The address of the operation, which its dead letters carry. */
  operation: string;
  /** A stream of this operation's own: created when first needed, and removed with it. Null: the stream is shared. */
  own: { has(): boolean; make(): Promise<void>; remove(): Promise<void> } | null;
  /** Runs work on that queue after all earlier work: only one may read a queue at a time. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** The longest wait for the next letter: others may have taken it. */
const patience = 2000;
/** How far to look into a shared queue: other operations' letters stay, and are held meanwhile. */
const mostLookedAt = 1000;

/**
 * The dead letters of one operation, on a stream and in a durable queue, both for followers of the stream and for later
 * readers. Operations that name the same stream share the queue; each handles only its own letters.
 */
export function deadLetters(options: DeadLetterOptions): DeadLetters {
  const { streams, stream, queue, operation, own, inTurn } = options;
  let ready: Promise<void> | undefined;

  /** Creates the queue: a letter published before it exists would be lost. */
  async function prepare(): Promise<void> {
    if (own !== null && !own.has()) await own.make();
    if ((await streams.counts(stream, queue)) !== null) return;
    const made = await streams.subscribe(stream, { queue, prefetch: 1, onMessage: (one) => one.giveBack() });
    await made.close();
    if ((await streams.counts(stream, queue)) === null)
      throw new Error('The queue for dead letters cannot be created.');
  }

  /** Reads the letters that are there now, one by one. Those that `each` does not settle go back. */
  async function read(total: number, each: (letter: Delivery) => Promise<void>): Promise<void> {
    const most = own === null ? Math.min(total, mostLookedAt) : total;
    if (most === 0) return;
    let [taken, handled] = [0, 0];
    let open = true;
    let done: (error?: unknown) => void = () => {};
    const end = new Promise<void>((resolve, reject) => {
      done = (error) => (error === undefined ? resolve() : reject(error));
    });
    let timer = setTimeout(done, patience);
    let working: Promise<void> = Promise.resolve();
    const subscription = await streams.subscribe(stream, {
      queue,
      prefetch: Math.min(most, mostLookedAt),
      onMessage(letter) {
        if (!open || taken === most) return;
        taken += 1;
        working = working.then(async () => {
          if (!open) return;
          clearTimeout(timer);
          await each(letter);
          handled += 1;
          timer = setTimeout(done, patience);
          if (handled === most) done();
        });
        working.catch(done);
      },
      onLink(linked, reason) {
        if (!linked) done(new Error(reason ?? 'the stream is unreachable'));
      },
    });
    try {
      await end;
    } finally {
      open = false;
      clearTimeout(timer);
      await subscription.close();
    }
  }

  /** How many there are, including those of other operations. */
  async function count(): Promise<number> {
    if (own !== null && !own.has()) return 0;
    return (await streams.counts(stream, queue))?.ready ?? 0;
  }

  const isOurs = ({ headers }: StreamMessage) => headers[deadHeaders.operation] === operation;

  async function take(away: (letter: StreamMessage) => Promise<void>): Promise<number> {
    let taken = 0;
    await read(await count(), async (letter) => {
      if (!isOurs(letter)) return;
      const { id, contentType, headers, body } = letter;
      await away({ id, contentType, headers, body });
      letter.ack();
      taken += 1;
    });
    return taken;
  }

  return {
    stream,
    async put(message) {
      ready ??= inTurn(prepare).catch((error: unknown) => {
        ready = undefined;
        throw error;
      });
      await ready;
      try {
        await streams.publish(stream, message);
      } catch (error) {
        // The stream may have been removed.
        ready = undefined;
        throw error;
      }
    },
    list: (most) =>
      inTurn(async () => {
        const there = await count();
        const letters: DeadLetter[] = [];
        let ours = 0;
        await read(own === null ? there : Math.min(there, most), async (letter) => {
          if (!isOurs(letter)) return;
          ours += 1;
          const { id, contentType, headers, body } = letter;
          if (letters.length < most) letters.push({ id, contentType, headers, body });
        });
        return { total: own === null ? ours : there, letters };
      }),
    take: (away) => inTurn(() => take(away)),
    remove: () =>
      inTurn(async () => {
        if (own === null) await take(async () => {});
        else if (own.has()) await own.remove();
      }),
  };
}

/** The original message, marked as possibly answered before. */
export function revived({ id, contentType, headers, body }: StreamMessage): StreamMessage {
  const ours: readonly string[] = Object.values(deadHeaders);
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !ours.includes(name)));
  return { id, contentType, headers: { ...kept, [redeliveredHeader]: 'true' }, body };
}
