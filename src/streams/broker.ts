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

/** A connection to a RabbitMQ broker for publishing, with one channel whose messages are confirmed. */
export interface Broker extends Pick<Connection, 'name' | 'blocked' | 'close' | 'drop'> {
  /** Resolves when the broker has confirmed the message, for one queue or the whole stream. Not bounded in time. */
  publish(stream: string, message: StreamMessage, queue?: string): Promise<void>;
}

/** Connects and opens the channel; see `openConnection`. */
export function openBroker(options: ConnectionOptions, events: ConnectionEvents): Promise<Broker> {
  return openConnection(options, events, async (connection) => {
    return brokerOn(connection, await connection.model.createConfirmChannel());
  });
}

function brokerOn(connection: Connection, channel: ConfirmChannel): Broker {
  const { name, model, close, drop } = connection;
  const exchanges = new Map<string, Promise<void>>();
  let end: string | undefined;

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

  /** On a channel of its own: a refusal closes the channel, and must not take others' messages with it. */
  async function declare(stream: string): Promise<void> {
    const apart = await model.createChannel();
    apart.on('error', () => undefined);
    await apart.assertExchange(exchangeOf(stream), 'fanout', { durable: true });
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

  /** True once the broker has it, false if a queue would not take it. */
  function send(
    exchange: string,
    key: string,
    { id, contentType, headers, body }: StreamMessage,
  ): Promise<boolean> {
    const properties = { messageId: id, contentType, headers, persistent: true };
    return new Promise((resolve, reject) => {
      const answered = (error: unknown) => {
        if (!error) resolve(true);
        // What amqplib says of a refusal by the broker. Any other error is the end of the channel.
        else if ((error as Error).message === 'message nacked') resolve(false);
        else reject(error);
      };
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      channel.publish(exchange, key, bytes, properties, answered);
    });
  }

  return {
    name,
    get blocked() {
      return connection.blocked;
    },

    async publish(stream, message, queue) {
      let taken: boolean;
      try {
        await exchange(stream);
        // The broker's own nameless exchange leads to a queue by its name.
        taken =
          queue === undefined
            ? await send(exchangeOf(stream), '', message)
            : await send('', queueOf(stream, queue), message);
      } catch (error) {
        const reason = end ?? connection.end ?? (error as Error).message;
        throw new StreamFailure(`The broker did not take the message: ${reason}`);
      }
      if (!taken) {
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
