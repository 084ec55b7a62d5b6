import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { type Broker, openBroker } from './broker.js';
import { nameOf } from './connection.js';
import { type Publisher, StreamFailure } from './stream.js';
import type { Topology } from './topology.js';

export interface PublishingOptions {
  url: string;
  /** How long publishing may take in all, including connecting, in milliseconds. */
  timeout?: number;
  /** How many messages may be pending at once. */
  inFlight?: number;
  /** Seconds, unless the URL gives another value. */
  heartbeat?: number;
  /** The pauses between attempts to connect; publishing fails at once meanwhile. */
  backoff?: Backoff;
  /** Milliseconds between checks that the stream is still bound to its readers' queues. */
  rebind?: number;
}

/** One call of `publish`, from waiting for its turn until its caller has an answer. */
interface Attempt {
  /** Sends the message. Settles with the broker's answer. */
  send(broker: Broker): Promise<void>;
  /** The connection that owes the confirmation. */
  broker: Broker | undefined;
  /** Answers the caller: without an error when the message is confirmed. The first answer counts. */
  end(error?: unknown): void;
}

const closePatience = 2000;

/**
 * Publishing to the streams of a RabbitMQ broker. There is one connection, opened when needed, and after a failure
 * reopened after a pause when needed again. Nothing is stored here: the publisher keeps the message until it is
 * confirmed.
 */
export function amqpPublisher(options: PublishingOptions, log: Logger, topology: Topology): Publisher {
  const { url, timeout = 10_000, inFlight = 200, heartbeat = 20 } = options;
  const backoff = options.backoff ?? { initial: 0.5, factor: 2, maximum: 15 };
  if (!URL.canParse(url))
    throw new StreamFailure('amqp_url is not a valid URL: check its host, port and login.');
  const name = nameOf(url);
  /** In the order of the calls, which is the order in which they are sent. */
  const line = new Set<Attempt>();
  let broker: Broker | undefined;
  let opening: Promise<void> | undefined;
  // Failed attempts to connect, and connections lost before they accepted anything, since the last useful one.
  let failures = 0;
  let useful = false;
  let failure = new StreamFailure('not tried yet');
  let pauseEnd = 0;
  let busy = 0;
  let closed = false;

  function failed(reason: StreamFailure): void {
    // One log line per outage, however long it lasts.
    if (failures === 0) log.warn({ broker: name, error: reason.message }, 'message broker unreachable');
    failures += 1;
    failure = reason;
    pauseEnd = performance.now() + backoffDelay(backoff, failures, Math.random());
  }

  async function open(): Promise<void> {
    let lost = false;
    useful = false;
    try {
      // Less than publishing may take, so that the caller learns why it failed.
      const opened = await openBroker(
        { url, timeout: timeout / 2, heartbeat },
        {
          blocked(reason) {
            const told = { broker: name, ...(reason === null ? {} : { reason }) };
            if (reason === null) log.info(told, 'message broker accepts messages again');
            else log.warn(told, 'message broker accepts no messages');
            serve();
          },
          lost(reason) {
            lost = true;
            broker = undefined;
            if (useful) log.warn({ broker: name, error: reason }, 'connection to the message broker lost');
            else failed(new StreamFailure(`The broker ${name}: ${reason}`));
            serve();
          },
        },
        topology,
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
      serve();
    }
  }

  /** The connection, if there is one that accepts messages. Starts connecting if that is due. */
  function ready(): Broker | undefined {
    if (closed) throw new StreamFailure(`The connection to the broker ${name} has been closed.`);
    if (broker !== undefined) return broker.blocked === null && busy < inFlight ? broker : undefined;
    if (opening === undefined) {
      if (performance.now() < pauseEnd) throw failure;
      opening = open();
    }
    return undefined;
  }

  /** Sends waiting messages, as far as the connection accepts them. */
  function serve(): void {
    for (const attempt of line) {
      let open: Broker | undefined;
      try {
        open = ready();
      } catch (error) {
        attempt.end(error);
        continue;
      }
      if (open === undefined) return;
      line.delete(attempt);
      void send(attempt, open);
    }
  }

  async function send(attempt: Attempt, open: Broker): Promise<void> {
    busy += 1;
    attempt.broker = open;
    try {
      await attempt.send(open);
      failures = 0;
      useful = true;
      attempt.end();
    } catch (error) {
      attempt.end(error);
    }
    busy -= 1;
    serve();
  }

  /** Why there was no answer in time. A broker that is silent without having reported that it is full is given up. */
  function lateness({ broker: asked }: Attempt): StreamFailure {
    const seconds = `within ${timeout / 1000} s`;
    const blocked = (asked ?? broker)?.blocked ?? null;
    if (blocked !== null) {
      return new StreamFailure(
        `The broker ${name} accepts no messages (${blocked}), and did not recover ${seconds}.`,
      );
    }
    if (asked !== undefined) {
      asked.drop(`it confirmed nothing ${seconds}`);
      return new StreamFailure(`The broker ${name} did not confirm the message ${seconds}.`);
    }
    return new StreamFailure(`The broker ${name} did not accept the message ${seconds}.`);
  }

  return {
    publish(stream, message, signal, queue) {
      return new Promise<void>((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const attempt: Attempt = {
          broker: undefined,
          send: (open) => open.publish(stream, message, queue),
          end(error) {
            clearTimeout(timer);
            signal?.removeEventListener('abort', aborted);
            line.delete(attempt);
            if (error === undefined) resolve();
            else reject(error);
          },
        };
        const aborted = () => attempt.end(signal?.reason);
        const timer = setTimeout(() => attempt.end(lateness(attempt)), timeout);
        signal?.addEventListener('abort', aborted, { once: true });
        line.add(attempt);
        serve();
      });
    },

    async close() {
      closed = true;
      serve();
      await opening;
      const end = performance.now() + closePatience;
      while (busy > 0 && broker !== undefined && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await broker?.close();
      broker = undefined;
    },
  };
}
