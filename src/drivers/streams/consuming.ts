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

/** What the protocol has room for. */
const mostPrefetch = 65_535;
/** What lies in an own queue of a subscriber that is too slow for it; older messages are left out then. */
const ownQueueMessages = 10_000;

/** One subscriber, over all the channels that it reads with. */
interface Reader {
  stream: string;
  options: SubscribeOptions;
  closed: boolean;
  channel: Channel | undefined;
  /** Its queue on that channel, as the broker knows it. */
  name: string | undefined;
  /** Messages that were given out on the present channel and are not settled. */
  unsettled: number;
  done: Promise<void>;
  /** Once it leaves: resolves when the broker knows. */
  left: Promise<void> | undefined;
}

/** Reading the streams of a RabbitMQ broker: a channel for each subscriber, so that each has its own bound and end. */
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

  /** Streams that were declared on a connection, with all that hangs on them. */
  const declared = new WeakMap<Connection, Map<string, Promise<void>>>();

  /** Once for all readers of a stream: they may be many, and each would do it for all. */
  async function declareOnce(connection: Connection, stream: string): Promise<void> {
    const known = declared.get(connection) ?? new Map<string, Promise<void>>();
    declared.set(connection, known);
    const made = known.get(stream) ?? apart((channel) => topology.declare(channel, stream));
    known.set(stream, made);
    await made;
  }

  /** The queue, bound to its stream. Both are made if they are not there. */
  async function declare(channel: Channel, { stream, options: { queue } }: Reader): Promise<string> {
    const own = { exclusive: true, autoDelete: true, durable: false, maxLength: ownQueueMessages };
    const made =
      queue === null
        ? await channel.assertQueue(queueOf(stream, `own-${randomUUID()}`), own)
        : await channel.assertQueue(queueOf(stream, queue), { durable: true });
    await channel.bindQueue(made.queue, exchangeOf(stream), '');
    return made.queue;
  }

  /** The queues of those who follow hang on the exchange again. What fails there ends their channel, and they begin again. */
  async function bindFollowers(stream: string): Promise<void> {
    const bind = async ({ channel, name }: Reader) => {
      if (channel === undefined || name === undefined) return;
      await within(channel.bindQueue(name, exchangeOf(stream), ''), timeout, '').catch(() => undefined);
    };
    const own = [...readers].filter((reader) => reader.stream === stream && reader.options.queue === null);
    await Promise.all(own.map(bind));
  }
  topology.onRestore(bindFollowers);

  /** Nobody tells a reader that an exchange was deleted: its queue stays, and nothing comes any more. */
  async function bindAgain(): Promise<void> {
    const streams = [...readers].flatMap(({ stream, channel }) => (channel === undefined ? [] : [stream]));
    for (const stream of new Set(streams)) {
      // A broker that is away now is asked again next time.
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
      // On another channel the broker has given it out anew.
      if (settled || reader.channel !== channel) return;
      settled = true;
      reader.unsettled -= 1;
      try {
        how(channel);
      } catch {
        // The channel is closing: the broker takes the message back.
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

  /** Reads with one channel. Resolves with the reason when that has come to its end. */
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
          reason = 'the broker has ended the subscription: its queue is gone';
          leave(channel);
        } else if (reader.channel === channel) {
          reader.unsettled += 1;
          onMessage(deliveryOf(message, channel, reader));
        }
      };
      // Only one reads a queue that lasts, or its messages would be out of order.
      await channel.consume(name, came, { exclusive: queue !== null });
      if (reader.closed) leave(channel);
      else begun();
      await end;
      return connection.end ?? reason;
    } catch (error) {
      leave(channel);
      // The exchange may be gone since.
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

  /** Does something on a channel of its own: an error of the broker's ends the channel. For `atOnce` see `Link`. */
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
        // One that queues of others are bound to stays.
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

/** Closes a channel that nobody needs any more; it may be closed already. */
function leave(channel: Channel): void {
  channel.close().catch(() => undefined);
}
