import {
  type QueueCounts,
  type Stream,
  StreamFailure,
  type StreamMessage,
  type StreamSettings,
  type SubscribeOptions,
  type Subscription,
} from '../../drivers/streams/stream.js';
import type { Store } from '../../store/store.js';
import type { StreamRow } from '../../store/streams.js';

/** The most messages in a queue, unless its stream says otherwise. */
export const defaultMaxMessages = 10_000;

/**
 * All streams of the database, by name. They are few and needed for every message, so they are kept here; nobody else
 * changes that table.
 */
export class StreamRows {
  readonly #rows = new Map<string, StreamRow>();

  /** Reads them all once at the start. */
  async load(store: Store): Promise<void> {
    for (const row of await store.streams.all()) this.set(row);
  }

  get = (name: string): StreamRow | undefined => this.#rows.get(name);
  all = (): StreamRow[] => [...this.#rows.values()];
  set = (row: StreamRow): void => void this.#rows.set(row.name, row);
  delete = (name: string): void => void this.#rows.delete(name);

  /** The settings of a stream. */
  settings = (name: string): StreamSettings => {
    const { durable = false, maxMessages = defaultMaxMessages } = this.#rows.get(name) ?? {};
    return { durable, maxMessages };
  };
}

/** What happened on the streams of one type since the start. */
export interface StreamTotals {
  published: number;
  delivered: number;
  refused: number;
}

/**
 * Messages on streams by name, whatever the driver: for code that works on the server's behalf and has already checked
 * the user's rights. Failures are StreamFailures.
 */
export interface Channels extends Omit<Stream, 'close'> {
  /** Creates a stream in its driver, before it has a row. Rejects with a StreamFailure. */
  make(name: string, type: 'memory' | 'amqp'): Promise<void>;
  /** How many messages were published on a stream since the start. */
  published(name: string): number;
  totals: Readonly<Record<'memory' | 'amqp', StreamTotals>>;
  /** Queues of a stream that somebody has read, or asked about, since the start. */
  queues(name: string): string[];
  /** Calls the listener when a stream is removed; returns what ends that. */
  onRemoved(name: string, listener: () => void): () => void;
}

/** The drivers; each stream uses one of them. */
export type Drivers = { memory: Stream; amqp: Stream | null };

/** Messages on streams, each by the driver that its row names. */
export function openChannels(rows: StreamRows, drivers: Drivers): Channels {
  const published = new Map<string, number>();
  const known = new Map<string, Set<string>>();
  const listeners = new Map<string, Set<() => void>>();
  const none = (): StreamTotals => ({ published: 0, delivered: 0, refused: 0 });
  const totals = { memory: none(), amqp: none() };

  function driverOf(name: string): { driver: Stream; total: StreamTotals } {
    const row = rows.get(name);
    if (row === undefined) throw new StreamFailure(`There is no stream ${name}.`);
    const type = row.type === 'amqp' ? 'amqp' : 'memory';
    const driver = drivers[type];
    if (driver === null) {
      throw new StreamFailure(
        `The stream ${name} is on a message broker, and none is configured (amqp_url in streams.yaml).`,
      );
    }
    return { driver, total: totals[type] };
  }

  function note(name: string, queue: string): void {
    const queues = known.get(name) ?? new Set();
    known.set(name, queues.add(queue));
  }

  return {
    totals,
    published: (name) => published.get(name) ?? 0,
    queues: (name) => [...(known.get(name) ?? [])].sort(),

    async make(name, type) {
      let away: string | null = null;
      // The reader has created what it reads.
      const reading = await drivers[type]?.subscribe(name, {
        queue: null,
        prefetch: 1,
        onMessage: (one) => one.ack(),
        onLink(linked, reason) {
          away = linked ? null : (reason ?? 'it is unreachable');
        },
      });
      await reading?.close();
      if (away !== null) throw new StreamFailure(`The stream ${name} cannot be created: ${away}`);
    },

    async publish(name: string, message: StreamMessage, signal?: AbortSignal, queue?: string) {
      const { driver, total } = driverOf(name);
      try {
        await driver.publish(name, message, signal, queue);
      } catch (error) {
        total.refused += 1;
        throw error;
      }
      total.published += 1;
      published.set(name, (published.get(name) ?? 0) + 1);
    },

    async subscribe(name: string, options: SubscribeOptions): Promise<Subscription> {
      const { driver, total } = driverOf(name);
      if (options.queue !== null) note(name, options.queue);
      return driver.subscribe(name, {
        ...options,
        onMessage(delivery) {
          total.delivered += 1;
          options.onMessage(delivery);
        },
      });
    },

    async counts(name: string, queue: string): Promise<QueueCounts | null> {
      const counts = await driverOf(name).driver.counts(name, queue);
      if (counts !== null) note(name, queue);
      return counts;
    },

    async remove(name: string, queue?: string) {
      const { driver } = driverOf(name);
      if (queue !== undefined) {
        await driver.remove(name, queue);
        known.get(name)?.delete(queue);
        return;
      }
      for (const each of known.get(name) ?? []) await driver.remove(name, each);
      await driver.remove(name);
      known.delete(name);
      published.delete(name);
      for (const listener of listeners.get(name) ?? []) listener();
    },

    onRemoved(name, listener) {
      const all = listeners.get(name) ?? new Set();
      listeners.set(name, all.add(listener));
      return () => {
        all.delete(listener);
        if (all.size === 0) listeners.delete(name);
      };
    },
  };
}
