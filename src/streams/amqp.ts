import { type Backoff, backoffDelay } from '../domain/backoff.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type Broker, nameOf, openBroker } from './broker.js';
import { type Publisher, StreamFailure } from './stream.js';

export interface AmqpOptions {
  url: string;
  /** How long publishing may take in all, connecting included, in milliseconds. */
  timeout?: number;
  /** How many messages may be on their way at once. */
  inFlight?: number;
  /** Seconds; unless the URL says another. */
  heartbeat?: number;
  /** The pauses between attempts to connect; publishing fails at once meanwhile. */
  backoff?: Backoff;
}

/** One call of `publish`: whether its caller has been answered, and how it is woken while it waits its turn. */
interface Attempt {
  over: boolean;
  wake: (() => void) | undefined;
  /** The connection that owes the confirmation. */
  broker: Broker | undefined;
}

const closePatience = 2000;

/**
 * Streams on a RabbitMQ broker, each a durable fanout exchange `streams.<name>`. There is one connection, made when
 * it is first needed and made again, after a pause, when it is needed again. Nothing is kept here: whoever publishes
 * keeps the message until it is confirmed.
 */
export function amqpStream(options: AmqpOptions, log: Logger): Publisher {
  const { url, timeout = 10_000, inFlight = 200, heartbeat = 20 } = options;
  const backoff = options.backoff ?? { initial: 0.5, factor: 2, maximum: 15 };
  if (!URL.canParse(url))
    throw new StreamFailure(
      'amqp_url is not a URL: its host, its port or its login is not written as in one.',
    );
  const name = nameOf(url);
  const waiting = new Set<Attempt>();
  let broker: Broker | undefined;
  let opening: Promise<void> | undefined;
  // Attempts to connect, and connections that were lost before they took anything, since the latest that did.
  let failures = 0;
  let useful = false;
  let failure = new StreamFailure('not tried yet');
  let pauseEnd = 0;
  let busy = 0;
  let closed = false;

  function wake(most = Number.POSITIVE_INFINITY): void {
    let woken = 0;
    for (const attempt of waiting) {
      if (woken >= most) break;
      woken += 1;
      waiting.delete(attempt);
      attempt.wake?.();
    }
  }

  function failed(reason: StreamFailure): void {
    // One line for an outage, however long it lasts.
    if (failures === 0)
      log.warn({ broker: name, error: reason.message }, 'the message broker is out of reach');
    failures += 1;
    failure = reason;
    pauseEnd = Date.now() + backoffDelay(backoff, failures, Math.random());
  }

  async function open(): Promise<void> {
    let lost = false;
    useful = false;
    try {
      // Less than publishing may take, so that whoever waits for it is told why it failed.
      const opened = await openBroker(
        { url, timeout: timeout / 2, heartbeat },
        {
          blocked(reason) {
            const told = { broker: name, ...(reason === null ? {} : { reason }) };
            if (reason === null) log.info(told, 'the message broker takes messages again');
            else log.warn(told, 'the message broker takes no messages');
            wake();
          },
          lost(reason) {
            lost = true;
            broker = undefined;
            if (useful) log.warn({ broker: name, error: reason }, 'the message broker is gone');
            else failed(new StreamFailure(`The broker ${name}: ${reason}`));
            wake();
          },
        },
      );
      if (closed) await opened.close();
      else if (!lost) {
        broker = opened;
        log.info({ broker: name }, 'connected to the message broker');
      }
    } catch (error) {
      failed(error instanceof StreamFailure ? error : new StreamFailure(messageOf(error)));
    } finally {
      opening = undefined;
      wake();
    }
  }

  /** The connection, if there is one that takes something. Begins to make one if that is due. */
  function ready(): Broker | undefined {
    if (closed) throw new StreamFailure(`The connection to the broker ${name} has been closed.`);
    if (broker !== undefined) return broker.blocked === null && busy < inFlight ? broker : undefined;
    if (opening === undefined) {
      if (Date.now() < pauseEnd) throw failure;
      opening = open();
    }
    return undefined;
  }

  async function deliver(attempt: Attempt, ...[stream, message]: Parameters<Broker['publish']>) {
    for (;;) {
      if (attempt.over) return;
      const open = ready();
      if (open !== undefined) {
        busy += 1;
        attempt.broker = open;
        try {
          await open.publish(stream, message);
          failures = 0;
          useful = true;
          return;
        } finally {
          busy -= 1;
        }
      }
      await new Promise<void>((resolve) => {
        attempt.wake = resolve;
        waiting.add(attempt);
      });
    }
  }

  /** Why there was no answer in time. A broker that is silent without having said that it is full is given up. */
  function lateness({ broker: asked }: Attempt): StreamFailure {
    const seconds = `within ${timeout / 1000} s`;
    const blocked = (asked ?? broker)?.blocked ?? null;
    if (blocked !== null) {
      return new StreamFailure(
        `The broker ${name} takes no messages (${blocked}), and not again ${seconds}.`,
      );
    }
    if (asked !== undefined) {
      asked.drop(`it confirmed nothing ${seconds}`);
      return new StreamFailure(`The broker ${name} did not confirm the message ${seconds}.`);
    }
    return new StreamFailure(`The broker ${name} did not take the message ${seconds}.`);
  }

  return {
    publish(stream, message, signal) {
      return new Promise<void>((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const attempt: Attempt = { over: false, wake: undefined, broker: undefined };
        const end = (answer: () => void) => {
          if (attempt.over) return;
          attempt.over = true;
          clearTimeout(timer);
          signal?.removeEventListener('abort', aborted);
          waiting.delete(attempt);
          attempt.wake?.();
          answer();
        };
        const aborted = () => end(() => reject(signal?.reason));
        const timer = setTimeout(() => end(() => reject(lateness(attempt))), timeout);
        signal?.addEventListener('abort', aborted, { once: true });
        deliver(attempt, stream, message)
          .then(
            () => end(resolve),
            (error: unknown) => end(() => reject(error)),
          )
          // Whoever is done makes room for one more.
          .finally(() => wake(1));
      });
    },

    async close() {
      closed = true;
      wake();
      await opening;
      const end = Date.now() + closePatience;
      while (busy > 0 && broker !== undefined && Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await broker?.close();
      broker = undefined;
    },
  };
}
