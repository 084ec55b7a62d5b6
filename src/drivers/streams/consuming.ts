import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage } from 'amqplib';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { type Connection, exchangeOf, queueOf, within } from './connection.js';
import { textHeaders } from './headers.js';
import { openLink } from './link.js';
import type { PublishingOptions } from './publishing.js';
import { type Delivery, type Stream, StreamFailure, type SubscribeOptions } from './stream.js';
import type { Topology } from './topology.js';

/** The protocol's maximum. */
const mostPrefetch = 65_535;
/** The most messages in the own queue of a slow subscriber; older messages are dropped. */
const ownQueueMessages = 10_000;

/** One subscriber, across all channels that it uses. */
interface Reader {
  stream: string;
  options: SubscribeOptions;
  closed: boolean;
  channel: Channel | undefined;
  /** The broker's name for its queue on that channel. */
  name: string | undefined;
  /** Messages delivered on the current channel and not settled. */
  unsettled: number;
  done: Promise<void>;
  /** Once it leaves: resolves when the broker knows. */
  left: Promise<void> | undefined;
}

/**
 * Reads the streams of a RabbitMQ broker: a channel for each subscriber, so that each has its own prefetch limit and
 * end.
 */
export function amqpSubscriber(
  options: PublishingOptions,
  log: Logger,
  topology: Topology,
): Omit<Stream, 'publish'> {
  const { url, timeout = 10_000, heartbeat = 20, rebind = 10_000 } = options;
  const backoff = options.backoff ?? { initial: 0.5, factor: 2, maximum: 15 };
  const link = openLink({ url, timeout: timeout / 2, heartbeat, backoff }, log);
  const readers = new Set<Reader>();
  let closed = false;

  /** Streams that were declared on a connection, with their queues and bindings. */
  const declared = new WeakMap<Connection, Map<string, Promise<void>>>();

  /** Declares a stream once for all its readers, who may be many. */
  async function declareOnce(connection: Connection, stream: string): Promise<void> {
    const known = declared.get(connection) ?? new Map<string, Promise<void>>();
    declared.set(connection, known);
    const made = known.get(stream) ?? apart((channel) => topology.declare(channel, stream));
    known.set(stream, made);
    await made;
  }

  /** The queue, bound to its stream. Both are created if missing. */
  async function declare(channel: Channel, { stream, options: { queue } }: Reader): Promise<string> {
    const own = { exclusive: true, autoDelete: true, durable: false, maxLength: ownQueueMessages };
    const made =
      queue === null
        ? await channel.assertQueue(queueOf(stream, `own-${randomUUID()}`), own)
        : await channel.assertQueue(queueOf(stream, queue), { durable: true });
    await channel.bindQueue(made.queue, exchangeOf(stream), '');
    return made.queue;
  }

  /** Binds the followers' queues to the exchange again. A failure ends their channel, and they start again. */
  async function bindFollowers(stream: string): Promise<void> {
    const bind = async ({ channel, name }: Reader) => {
      if (channel === undefined || name === undefined) return;
      await within(channel.bindQueue(name, exchangeOf(stream), ''), timeout, '').catch(() => undefined);
    };
    const own = [...readers].filter((reader) => reader.stream === stream && reader.options.queue === null);
    await Promise.all(own.map(bind));
  }
  topology.onRestore(bindFollowers);

  /** A reader does not notice that an exchange was deleted: its queue stays, but no more messages arrive. */
  async function bindAgain(): Promise<void> {
    const streams = [...readers].flatMap(({ stream, channel }) => (channel === undefined ? [] : [stream]));
    for (const stream of new Set(streams)) {
      // If the broker is unreachable now, this is repeated next time.
      await apart((channel) => topology.restore(channel, stream)).catch(() => undefined);
    }
  }
  let timer: NodeJS.Timeout | undefined;
  const bindLater = () => {
    timer = setTimeout(() => void bindAgain().finally(() => closed || bindLater()), rebind);
    timer.unref();
  };
  bindLater();

  function deliveryOf(message: ConsumeMessage, channel: Channel, reader: Reader): Delivery {
    const { messageId, contentType, headers } = message.properties;
    let settled = false;
    const settle = (how: (channel: Channel) => void) => {
      // The broker has redelivered it on another channel.
      if (settled || reader.channel !== channel) return;
      settled = true;
      reader.unsettled -= 1;
      try {
        how(channel);
      } catch {
        // The channel is closing, so the broker takes the message back.
      }
    };
    return {
      id: typeof messageId === 'string' ? messageId : '',
      contentType:
        typeof contentType === 'string' && contentType !== '' ? contentType : 'application/octet-stream',
      headers: textHeaders(headers),
      body: message.content,
      redelivered: message.fields.redelivered,
      ack: () => settle((on) => on.ack(message)),
      giveBack: () => settle((on) => on.nack(message, false, true)),
    };
  }

  /** Reads with one channel. Resolves with the reason when the channel ends. */
  async function read(connection: Connection, reader: Reader, begun: () => void): Promise<string> {
    const { queue, prefetch, onMessage } = reader.options;
    const channel = await connection.model.createChannel();
    let reason = 'the channel was closed';
    const end = new Promise<void>((resolve) => channel.once('close', resolve));
    channel.on('error', (error: Error) => {
      reason = error.message;
    });
    try {
      await channel.prefetch(Math.min(prefetch, mostPrefetch));
      await declareOnce(connection, reader.stream);
      const name = await declare(channel, reader);
      reader.channel = channel;
      reader.name = name;
      reader.unsettled = 0;
      const came = (message: ConsumeMessage | null) => {
        if (message === null) {
          reason = 'the broker ended the subscription: its queue is gone';
          leave(channel);
        } else if (reader.channel === channel) {
          reader.unsettled += 1;
          onMessage(deliveryOf(message, channel, reader));
        }
      };
      // A durable queue has only one reader; otherwise its messages would get out of order.
      await channel.consume(name, came, { exclusive: queue !== null });
      if (reader.closed) leave(channel);
      else begun();
      await end;
      return connection.end ?? reason;
    } catch (error) {
      leave(channel);
      // The exchange may have been deleted since.
      declared.get(connection)?.delete(reader.stream);
      throw connection.end === null ? error : new Error(connection.end);
    } finally {
      if (reader.channel === channel) reader.channel = undefined;
    }
  }

  /** Reads over one connection after the other until the subscriber leaves. */
  async function readOn(reader: Reader, settled: () => void): Promise<void> {
    const { onLink } = reader.options;
    let told: boolean | undefined;
    const tell = (linked: boolean, reason: string | null) => {
      if (reader.closed || told === linked) return;
      told = linked;
      onLink?.(linked, reason);
    };
    let failures = 0;
    for (let first = true; !reader.closed; first = false) {
      let reason: string;
      failures += 1;
      try {
        reason = await read(await link.connection(first), reader, () => {
          failures = 0;
          tell(true, null);
          settled();
        });
      } catch (error) {
        reason = messageOf(error);
      }
      tell(false, reason);
      settled();
      if (!reader.closed) await link.pause(failures);
    }
  }

  /** Ends a reader. Resolves when the broker knows: with the same promise for all who ask. */
  function depart(reader: Reader): Promise<void> {
    const { channel, name, options } = reader;
    reader.closed = true;
    reader.channel = undefined;
    reader.unsettled = 0;
    const leaveBroker = async () => {
      // The broker deletes an own queue by itself, but later: its exchange would count as in use until then.
      if (options.queue === null && name !== undefined) await channel?.deleteQueue(name);
      await channel?.close();
    };
    reader.left ??= within(leaveBroker(), timeout, '')
      .catch(() => undefined)
      .finally(() => readers.delete(reader));
    return reader.left;
  }

  /** Runs work on a separate channel, since a broker error ends the channel. For `atOnce` see `Link`. */
  async function apart<T>(work: (channel: Channel) => Promise<T>, atOnce = false): Promise<T> {
    const connection = await link.connection(atOnce);
    let channel: Channel | undefined;
    try {
      channel = await connection.model.createChannel();
      channel.on('error', () => undefined);
      return await within(work(channel), timeout, `no answer within ${timeout / 1000} s`);
    } catch (error) {
      if ((error as { code?: number }).code === 404) throw error;
      throw new StreamFailure(`The broker ${link.name}: ${connection.end ?? messageOf(error)}`);
    } finally {
      if (channel !== undefined) leave(channel);
    }
  }

  return {
    async subscribe(stream, given) {
      if (closed) throw new StreamFailure(`The connection to the broker ${link.name} has been closed.`);
      const reader: Reader = {
        stream,
        options: given,
        closed: false,
        channel: undefined,
        name: undefined,
        unsettled: 0,
        done: Promise.resolve(),
        left: undefined,
      };
      if (given.queue !== null) topology.add(stream, given.queue);
      readers.add(reader);
      await new Promise<void>((settled) => {
        reader.done = readOn(reader, settled);
      });
      return { close: () => depart(reader) };
    },

    async counts(stream, queue) {
      try {
        const { messageCount } = await apart((channel) => channel.checkQueue(queueOf(stream, queue)));
        topology.add(stream, queue);
        const own = [...readers].filter(
          (reader) => reader.stream === stream && reader.options.queue === queue,
        );
        return { ready: messageCount, unsettled: own.reduce((sum, { unsettled }) => sum + unsettled, 0) };
      } catch (error) {
        if (error instanceof StreamFailure) throw error;
        return null;
      }
    },

    async remove(stream, queue) {
      if (queue !== undefined) topology.drop(stream, queue);
      await apart<unknown>(async (channel) => {
        if (queue !== undefined) return channel.deleteQueue(queueOf(stream, queue));
        const own = [...readers].filter(
          ({ options, ...each }) => each.stream === stream && options.queue === null,
        );
        await Promise.all(own.map(depart));
        // An exchange with bound queues of others stays.
        return channel.deleteExchange(exchangeOf(stream), { ifUnused: true }).catch(unlessInUse);
      }, true);
    },

    async close() {
      closed = true;
      clearTimeout(timer);
      for (const reader of readers) reader.closed = true;
      await link.close();
      await Promise.all([...readers].map(({ done }) => done));
      readers.clear();
    },
  };
}

function unlessInUse(error: unknown): void {
  if ((error as { code?: number }).code !== 406) throw error;
}

/** Closes a channel that is no longer needed; it may already be closed. */
function leave(channel: Channel): void {
  channel.close().catch(() => undefined);
}
