import type { ConfirmChannel } from 'amqplib';
import {
  type Connection,
  type ConnectionEvents,
  type ConnectionOptions,
  exchangeOf,
  openConnection,
  queueOf,
} from './connection.js';
import { StreamFailure, type StreamMessage } from './stream.js';
import { openTopology, type Topology } from './topology.js';

/** A connection to a RabbitMQ broker for publishing, with one channel in confirm mode. */
export interface Broker extends Pick<Connection, 'name' | 'blocked' | 'close' | 'drop'> {
  /** Resolves when the broker has confirmed the message, for one queue or the whole stream. Has no timeout. */
  publish(stream: string, message: StreamMessage, queue?: string): Promise<void>;
}

/** Connects and opens the channel; see `openConnection`. */
export function openBroker(
  options: ConnectionOptions,
  events: ConnectionEvents,
  topology: Topology = openTopology(),
): Promise<Broker> {
  return openConnection(options, events, async (connection) => {
    return brokerOn(connection, await connection.model.createConfirmChannel(), topology);
  });
}

function brokerOn(connection: Connection, channel: ConfirmChannel, topology: Topology): Broker {
  const { name, model, close, drop } = connection;
  const exchanges = new Map<string, Promise<void>>();
  /** Messages that were returned because there was no queue for them. The broker returns them before it confirms them. */
  const returned = new Map<string, number>();
  let end: string | undefined;

  channel.on('return', ({ fields: { exchange, routingKey }, properties: { messageId } }) => {
    const key = keyOf(exchange, routingKey, messageId);
    returned.set(key, (returned.get(key) ?? 0) + 1);
  });
  channel.on('error', (error: Error) => {
    end ??= error.message;
  });
  // Messages of this channel are lost with it, and the broker had a reason: reconnect. Not at once, because a closing
  // connection closes its channels first and gives the reason last.
  channel.on('close', () =>
    queueMicrotask(() => {
      if (!connection.leaving) drop(end ?? 'the channel was closed');
    }),
  );

  /** Whether a message was returned; asked once for each. */
  function cameBack(key: string): boolean {
    const count = returned.get(key) ?? 0;
    if (count > 1) returned.set(key, count - 1);
    else returned.delete(key);
    return count > 0;
  }

  /** Uses its own channel: a refusal closes the channel, and must not affect other messages. */
  async function declare(stream: string): Promise<void> {
    const apart = await model.createChannel();
    apart.on('error', () => undefined);
    await topology.restore(apart, stream);
    await apart.close();
  }

  function exchange(stream: string): Promise<void> {
    const known = exchanges.get(stream);
    if (known !== undefined) return known;
    const declared = declare(stream);
    exchanges.set(stream, declared);
    declared.catch(() => exchanges.delete(stream));
    return declared;
  }

  /**
   * The broker's verdict: `refused` if a queue would not accept it, `unrouted` if there was no queue.
   *
   * @param mandatory whether there must be a queue; if not, an unrouted message counts as taken
   */
  function send(
    exchange: string,
    key: string,
    { id, contentType, headers, body }: StreamMessage,
    mandatory: boolean,
  ): Promise<'taken' | 'refused' | 'unrouted'> {
    const properties = { messageId: id, contentType, headers, persistent: true, mandatory };
    return new Promise((resolve, reject) => {
      const answered = (error: unknown) => {
        const came = cameBack(keyOf(exchange, key, id));
        if (!error) resolve(came ? 'unrouted' : 'taken');
        // amqplib's message for a refusal by the broker. Any other error is the end of the channel.
        else if ((error as Error).message === 'message nacked') resolve('refused');
        else reject(error);
      };
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      channel.publish(exchange, key, bytes, properties, answered);
    });
  }

  /** If somebody has deleted and recreated the exchange, restores the bindings and sends the message again. */
  async function toStream(stream: string, message: StreamMessage): Promise<'taken' | 'refused' | 'unrouted'> {
    const declared = exchange(stream);
    await declared;
    const first = await send(exchangeOf(stream), '', message, topology.expects(stream));
    if (first !== 'unrouted') return first;
    // When many reconnect at once, one of them declares it again.
    if (exchanges.get(stream) === declared) exchanges.delete(stream);
    await exchange(stream);
    return send(exchangeOf(stream), '', message, topology.expects(stream));
  }

  return {
    name,
    get blocked() {
      return connection.blocked;
    },

    async publish(stream, message, queue) {
      let answer: 'taken' | 'refused' | 'unrouted';
      try {
        // The broker's default exchange routes to a queue by its name.
        answer =
          queue === undefined
            ? await toStream(stream, message)
            : await send('', queueOf(stream, queue), message, true);
      } catch (error) {
        const reason = end ?? connection.end ?? (error as Error).message;
        throw new StreamFailure(`The broker did not accept the message: ${reason}`);
      }
      if (answer === 'unrouted') {
        const what = queue === undefined ? 'the queues' : `the queue ${queue}`;
        throw new StreamFailure(
          `The broker did not accept the message: ${what} of the stream ${stream} cannot be reached.`,
        );
      }
      if (answer === 'refused') {
        throw new StreamFailure(
          `The broker refused the message: a queue of the stream ${stream} is full.`,
          'full',
        );
      }
    },

    close,
    drop,
  };
}

/** Identifies a message that the broker returns. Messages without an id cannot be distinguished. */
const keyOf = (exchange: string, routingKey: string, id: unknown): string =>
  JSON.stringify([exchange, routingKey, id === undefined ? '' : id]);
