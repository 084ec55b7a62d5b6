import type { Duplex } from 'node:stream';
import { type ChannelModel, connect, credentials } from 'amqplib';
import { messageOf } from '../../lib/errors.js';
import { StreamFailure } from './stream.js';

/** The fanout exchange of a stream. */
export const exchangeOf = (stream: string): string => `streams.${stream}`;

/** The broker's name for a durable queue. */
export const queueOf = (stream: string, queue: string): string => `streams.${stream}.${queue}`;

export interface ConnectionEvents {
  /** The broker accepts messages again, or no longer. */
  blocked?(reason: string | null): void;
  /** The connection is lost. Not called after `close`. */
  lost(reason: string): void;
}

export interface ConnectionOptions {
  url: string;
  /** How long connecting may take, in milliseconds. */
  timeout: number;
  /** Seconds. A broker that is silent for twice as long is given up. */
  heartbeat: number;
}

/** One connection to a RabbitMQ broker. It is lost once, for good. */
export interface Connection {
  /** Its address, without the login. */
  readonly name: string;
  /** Why the broker accepts nothing at the moment; null while it does. */
  readonly blocked: string | null;
  /** Why the connection has ended or is ending; null while it is up. */
  readonly end: string | null;
  /** Whether we are closing it. */
  readonly leaving: boolean;
  readonly model: ChannelModel;
  /** Closes the connection properly, or cuts it if that takes too long. */
  close(): Promise<void>;
  /** Cuts the connection, for a reason. */
  drop(reason: string): void;
}

const leavePatience = 2000;

/** The part of a broker's URL that may be shown: neither the login nor the options. */
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

/** The text of a network or broker error. An error for several addresses of one host has no text of its own. */
function reasonOf(error: unknown, password: string): string {
  const each = error instanceof AggregateError ? error.errors : [error];
  const text = [...new Set(each.map(messageOf))].join('; ').replace(/^Handshake terminated by server: /, '');
  return password.length < 4 ? text : text.replaceAll(password, '***');
}

/**
 * Cuts the connection at once. There is no public API for it: `close` waits for an answer, which a hanging broker never
 * gives.
 */
function cut(model: ChannelModel, reason: string): void {
  const { stream } = model.connection as unknown as { stream: Duplex };
  // With an error; otherwise amqplib would not notice and keep its timers.
  stream.destroy(new Error(reason));
}

/** The promise's value, or an error after this many milliseconds. */
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
 * Connects and prepares the connection. Rejects within the timeout, with a StreamFailure that names neither user nor
 * password.
 *
 * @param prepare called before the connection counts as open; its value is returned
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
      // Passed separately, because amqplib does not decode non-ASCII characters in a URL.
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

/** Listens from the start: an unhandled `error` event would end the process. */
function watch(model: ChannelModel, events: ConnectionEvents, describe: (error: unknown) => string): States {
  const states: States = { blocked: null, end: null, leaving: false, opened: false };
  model.on('error', (error) => {
    states.end ??= describe(error);
  });
  model.on('close', (error?: Error) => {
    states.end ??= error === undefined ? 'the connection was closed' : describe(error);
    // A connection that is not ready yet fails through the promise that opens it.
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
      // It may already be gone, and a silent broker is not waited for.
      await within(model.close(), leavePatience, 'no answer').catch(() => undefined);
      cut(model, 'closed');
    },
    drop(reason) {
      states.end ??= reason;
      cut(model, reason);
    },
  };
}
