import type { Duplex } from 'node:stream';
import { type ChannelModel, connect, credentials } from 'amqplib';
import { messageOf } from '../../lib/errors.js';
import { StreamFailure } from './stream.js';

/** Streams are fanout exchanges of this name. */
export const exchangeOf = (stream: string): string => `streams.${stream}`;

/** The name of a queue that lasts, as the broker knows it. */
export const queueOf = (stream: string, queue: string): string => `streams.${stream}.${queue}`;

export interface ConnectionEvents {
  /** The broker takes messages again, or no longer. */
  blocked?(reason: string | null): void;
  /** The connection is gone. Not told after `close`. */
  lost(reason: string): void;
}

export interface ConnectionOptions {
  url: string;
  /** How long connecting may take, in milliseconds. */
  timeout: number;
  /** Seconds. A broker that says nothing for two of these is given up. */
  heartbeat: number;
}

/** One connection to a RabbitMQ broker. It is lost once, for good. */
export interface Connection {
  /** Where it is, without the login. */
  readonly name: string;
  /** Why the broker takes nothing at the moment; null while it does. */
  readonly blocked: string | null;
  /** Why the connection is gone, or will be; null while it is there. */
  readonly end: string | null;
  /** Whether its end was asked for by us. */
  readonly leaving: boolean;
  readonly model: ChannelModel;
  /** Takes leave politely, or not, if that takes too long. */
  close(): Promise<void>;
  /** Cuts the connection, for a reason. */
  drop(reason: string): void;
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

/** The promise's value, or an error after so many milliseconds. */
export async function within<T>(promise: Promise<T>, milliseconds: number, late: string): Promise<T> {
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
 * Connects, and makes ready what the connection is for. Rejects with a StreamFailure that names neither user nor
 * password, and in any case within the time-out.
 *
 * @param prepare what has to be done before the connection counts as open; its value is given back
 */
export async function openConnection<T>(
  options: ConnectionOptions,
  events: ConnectionEvents,
  prepare: (connection: Connection) => Promise<T>,
): Promise<T> {
  const url = new URL(options.url);
  const user = decoded(url.username) || 'guest';
  const password = url.username === '' && url.password === '' ? 'guest' : decoded(url.password);
  if (!url.searchParams.has('heartbeat')) url.searchParams.set('heartbeat', String(options.heartbeat));
  let model: ChannelModel | undefined;
  let givenUp = false;
  const late = `no answer within ${options.timeout / 1000} s`;

  async function open(): Promise<T> {
    const opened = await connect(url.href, {
      // Given apart, because amqplib does not decode what is not ASCII in a URL.
      credentials: credentials.plain(user, password),
      timeout: options.timeout,
      noDelay: true,
    });
    model = opened;
    const states = watch(opened, events, (error) => reasonOf(error, password));
    if (givenUp) cut(opened, late);
    const prepared = await prepare(connectionOn(nameOf(options.url), opened, states));
    states.opened = true;
    return prepared;
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
  end: string | null;
  leaving: boolean;
  opened: boolean;
}

/** Listens from the first moment: an `error` that nobody listens to would end the process. */
function watch(model: ChannelModel, events: ConnectionEvents, describe: (error: unknown) => string): States {
  const states: States = { blocked: null, end: null, leaving: false, opened: false };
  model.on('error', (error) => {
    states.end ??= describe(error);
  });
  model.on('close', (error?: Error) => {
    states.end ??= error === undefined ? 'the connection was closed' : describe(error);
    // One that is not ready yet fails by the promise of its opening.
    if (states.opened && !states.leaving) events.lost(states.end);
  });
  model.on('blocked', (reason) => {
    states.blocked = reason;
    events.blocked?.(reason);
  });
  model.on('unblocked', () => {
    states.blocked = null;
    events.blocked?.(null);
  });
  return states;
}

function connectionOn(name: string, model: ChannelModel, states: States): Connection {
  return {
    name,
    model,
    get blocked() {
      return states.blocked;
    },
    get end() {
      return states.end;
    },
    get leaving() {
      return states.leaving;
    },
    async close() {
      states.leaving = true;
      // It may be gone already; and one that does not answer is not waited for.
      await within(model.close(), leavePatience, 'no answer').catch(() => undefined);
      cut(model, 'closed');
    },
    drop(reason) {
      states.end ??= reason;
      cut(model, reason);
    },
  };
}
