import { deadHeaders, redeliveredHeader } from '../../domain/operations/operation.js';
import type { Delivery, Stream, StreamMessage } from '../../drivers/streams/stream.js';
import type { DeadLetter } from '../../usecases/operations/operations.js';

export interface DeadLetters {
  readonly stream: string;
  /** Resolves when it is safe in the queue. */
  put(message: StreamMessage): Promise<void>;
  /** The first of them, which stay, and how many there are. */
  list(most: number): Promise<{ total: number; letters: DeadLetter[] }>;
  /** Takes out those that are there, each when `away` is done with it; says how many. */
  take(away: (letter: StreamMessage) => Promise<void>): Promise<number>;
  /** The operation has no more to do with that stream: its letters, and what else is its alone, are removed. */
  remove(): Promise<void>;
}

export interface DeadLetterOptions {
  streams: Omit<Stream, 'close'>;
  stream: string;
  queue: string;
  /** The address of the operation, which its dead letters carry. */
  operation: string;
  /** The stream is this operation's alone: made when it is needed first, and removed with it. Null: it is not. */
  own: { has(): boolean; make(): Promise<void>; remove(): Promise<void> } | null;
  /** Does what is to be done with that queue when all before it is done: a queue is read by one at a time. */
  inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Longer than this is not waited for the next one: others may have taken it. */
const patience = 2000;
/** So far is looked into a queue that others' letters are in, too: those stay, and are held meanwhile. */
const mostLookedAt = 1000;

/**
 * The dead letters of one operation: on a stream, kept by a queue that lasts, so that they are there for whoever follows
 * the stream and for whoever comes later. Operations that name the same stream share the queue; each has to do with its
 * own letters only.
 */
export function deadLetters(options: DeadLetterOptions): DeadLetters {
  const { streams, stream, queue, operation, own, inTurn } = options;
  let ready: Promise<void> | undefined;

  /** Makes the queue: what is published before it is there would be nobody's. */
  async function prepare(): Promise<void> {
    if (own !== null && !own.has()) await own.make();
    if ((await streams.counts(stream, queue)) !== null) return;
    const made = await streams.subscribe(stream, { queue, prefetch: 1, onMessage: (one) => one.giveBack() });
    await made.close();
    if ((await streams.counts(stream, queue)) === null)
      throw new Error('The queue of dead letters cannot be made.');
  }

  /** Reads as many as there are now, one after the other. What `each` does not settle goes back. */
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
        if (!linked) done(new Error(reason ?? 'the stream is out of reach'));
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

  /** How many there are, those of others included. */
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
        // It may be gone altogether.
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

/** The message as it was, but that it may have been answered before. */
export function revived({ id, contentType, headers, body }: StreamMessage): StreamMessage {
  const ours: readonly string[] = Object.values(deadHeaders);
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !ours.includes(name)));
  return { id, contentType, headers: { ...kept, [redeliveredHeader]: 'true' }, body };
}
