import type { Duplex } from 'node:stream';
import { type ChannelModel, type ConfirmChannel, connect, credentials } from 'amqplib';
import { messageOf } from '../errors.js';
import { StreamFailure, type StreamMessage } from './stream.js';

/** Streams are fanout exchanges of this name. */
export const exchangeOf = (stream: string): string => `streams.${stream}`;

/** One connection to a RabbitMQ broker, with one channel whose messages are confirmed. It is lost once, for good. */
export interface Broker {
  /** Where it is, without the login. */
  readonly name: string;
  /** Why the broker takes nothing at the moment; null while it does. */
  readonly blocked: string | null;
  /** Resolves when the broker has confirmed the message. Not bounded in time. */
  publish(stream: string, message: StreamMessage): Promise<void>;
  /** Takes leave politely, or not, if that takes too long. */
  close(): Promise<void>;
  /** Cuts the connection, for a reason. */
  drop(reason: string): void;
}

export interface BrokerEvents {
  /** The broker takes messages again, or no longer. */
  blocked(reason: string | null): void;
  /** The connection is gone. Not told after `close`. */
  lost(reason: string): void;
}

export interface BrokerOptions {
  url: string;
  /** How long connecting may take, in milliseconds. */
  timeout: number;
  /** Seconds. A broker that says nothing for two of these is given up. */
  heartbeat: number;
}

const leavePatience = 2000;

/** What may be told of a broker's URL: neither the login nor the options. */
export function nameOf(url: string): string {
  const { protocol, hostname, port, pathname } = new URL(url);
  return `${protocol}//${hostname}:${port || (protocol === 'amqps:' ? 5671 : 5672)}${pathname}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The text of an error of the network or the broker. Several addresses of one host make an error without a text. */
function reasonOf(error: unknown, password: string): string {
  const each = error instanceof AggregateError ? error.errors : [error];
  const text = [...new Set(each.map(messageOf))].join('; ').replace(/^Handshake terminated by server: /, '');
  return password.length < 4 ? text : text.replaceAll(password, '***');
}

/** Cuts at once. There is no public way: `close` waits for the broker's answer, and one that hangs gives none. */
function cut(model: ChannelModel, reason: string): void {
  const { stream } = model.connection as unknown as { stream: Duplex };
  // With an error, or amqplib would not notice and keep its timers.
  stream.destroy(new Error(reason));
}

async function within<T>(promise: Promise<T>, milliseconds: number, late: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(late)), milliseconds);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Connects and opens the channel. Rejects with a StreamFailure that names neither user nor password, and in any case
 * within the time-out.
 */
export async function openBroker(options: BrokerOptions, events: BrokerEvents): Promise<Broker> {
  const url = new URL(options.url);
  const user = decoded(url.username) || 'guest';
  const password = url.username === '' && url.password === '' ? 'guest' : decoded(url.password);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(options.heartbeat));
  let model: ChannelModel | undefined;
  let givenUp = false;
  const late = `no answer within ${options.timeout / 1000} s`;

  async function open(): Promise<Broker> {
    const opened = await connect(url.href, {
      // Given apart, because amqplib does not decode what is not ASCII in a URL.
      credentials: credentials.plain(user, password),
      timeout: options.timeout,
      noDelay: true,
    });
    model = opened;
    const states = watch(opened, events, (error) => reasonOf(error, password));
    if (givenUp) cut(opened, late);
    const channel = await opened.createConfirmChannel();
    return brokerOn(nameOf(options.url), opened, channel, states);
  }

  try {
    return await within(open(), options.timeout, late);
  } catch (error) {
    givenUp = true;
    if (model !== undefined) cut(model, late);
    throw new StreamFailure(`The broker ${nameOf(options.url)}: ${reasonOf(error, password)}`);
  }
}

interface States {
  blocked: string | null;
  /** Why the connection is gone, or will be; null while it is there. */
  end: string | null;
  /** Whether its end is nothing to tell. */
  leaving: boolean;
  opened: boolean;
}

/** Listens from the first moment: an `error` that nobody listens to would end the process. */
function watch(model: ChannelModel, events: BrokerEvents, describe: (error: unknown) => string): States {
  const states: States = { blocked: null, end: null, leaving: false, opened: false };
  model.on('error', (error) => {
    states.end ??= describe(error);
  });
  model.on('close', (error?: Error) => {
    states.end ??= error === undefined ? 'the connection was closed' : describe(error);
    // A connection without a channel yet fails by the channel's own promise.
    if (states.opened && !states.leaving) events.lost(states.end);
  });
  model.on('blocked', (reason) => {
    states.blocked = reason;
    events.blocked(reason);
  });
  model.on('unblocked', () => {
    states.blocked = null;
    events.blocked(null);
  });
  return states;
}

function brokerOn(name: string, model: ChannelModel, channel: ConfirmChannel, states: States): Broker {
  const exchanges = new Map<string, Promise<void>>();
  states.opened = true;

  function drop(reason: string): void {
    states.end ??= reason;
    cut(model, reason);
  }
  channel.on('error', (error: Error) => {
    states.end ??= error.message;
  });
  // Messages of this channel are lost with it, and the other end had a reason: so begin anew. Not at once, because
  // the end of a connection closes its channels first and tells why last.
  channel.on('close', () =>
    queueMicrotask(() => {
      if (!states.leaving) drop('the channel was closed');
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

  return {
    name,
    get blocked() {
      return states.blocked;
    },

    async publish(stream, { id, contentType, headers, body }) {
      try {
        await exchange(stream);
        const properties = { messageId: id, contentType, headers, persistent: true };
        await new Promise<void>((resolve, reject) => {
          channel.publish(exchangeOf(stream), '', Buffer.from(body), properties, (error: unknown) =>
            error ? reject(error) : resolve(),
          );
        });
      } catch (error) {
        throw new StreamFailure(
          `The broker did not take the message: ${states.end ?? (error as Error).message}`,
        );
      }
    },

    async close() {
      states.leaving = true;
      // It may be gone already; and one that does not answer is not waited for.
      await within(model.close(), leavePatience, 'no answer').catch(() => undefined);
      cut(model, 'closed');
    },

    drop,
  };
}
