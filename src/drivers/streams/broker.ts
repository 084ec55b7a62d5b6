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

/** A connection to a RabbitMQ broker for publishing, with one channel whose messages are confirmed. */
export interface Broker extends Pick<Connection, 'name' | 'blocked' | 'close' | 'drop'> {
  /** Resolves when the broker has confirmed the message, for one queue or the whole stream. Not bounded in time. */
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
  /** Messages that came back because no queue was there for them. The broker says that before it confirms them. */
  const returned = new Map<string, number>();
  let end: string | undefined;

  channel.on('return', ({ fields: { exchange, routingKey }, properties: { messageId } }) => {
    const key = keyOf(exchange, routingKey, messageId);
    returned.set(key, (returned.get(key) ?? 0) + 1);
  });
  channel.on('error', (error: Error) => {
    end ??= error.message;
  });
  // Messages of this channel are lost with it, and the other end had a reason: so begin anew. Not at once, because
  // the end of a connection closes its channels first and tells why last.
  channel.on('close', () =>
    queueMicrotask(() => {
      if (!connection.leaving) drop(end ?? 'the channel was closed');
    }),
  );

  /** Whether a message came back, which is asked once for each. */
  function cameBack(key: string): boolean {
    const count = returned.get(key) ?? 0;
    if (count > 1) returned.set(key, count - 1);
    else returned.delete(key);
    return count > 0;
  }

  /** On a channel of its own: a refusal closes the channel, and must not take others' messages with it. */
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
   * What the broker made of it: `refused` if a queue would not take it, `unrouted` if there was none.
   *
   * @param mandatory whether there has to be one; otherwise the message goes nowhere and counts as taken
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
        // What amqplib says of a refusal by the broker. Any other error is the end of the channel.
        else if ((error as Error).message === 'message nacked') resolve('refused');
        else reject(error);
      };
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      channel.publish(exchange, key, bytes, properties, answered);
    });
  }

  /** Somebody has deleted the exchange and made it again: the bindings are restored, and the message sent once more. */
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
        // The broker's own nameless exchange leads to a queue by its name.
        answer =
          queue === undefined
            ? await toStream(stream, message)
            : await send('', queueOf(stream, queue), message, true);
      } catch (error) {
        const reason = end ?? connection.end ?? (error as Error).message;
        throw new StreamFailure(`The broker did not take the message: ${reason}`);
      }
      if (answer === 'unrouted') {
        const what = queue === undefined ? 'the queues' : `the queue ${queue}`;
        throw new StreamFailure(
          `The broker did not take the message: ${what} of the stream ${stream} cannot be reached.`,
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

/** A message as the broker names it when it sends it back. Those without an id are taken for each other. */
const keyOf = (exchange: string, routingKey: string, id: unknown): string =>
  JSON.stringify([exchange, routingKey, id === undefined ? '' : id]);
