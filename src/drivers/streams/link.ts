import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { type Connection, type ConnectionOptions, nameOf, openConnection } from './connection.js';
import { StreamFailure } from './stream.js';

/** A connection that is reopened for as long as somebody needs it. */
interface Link {
  readonly name: string;
  /**
   * The connection; rejects with a StreamFailure if there is none and no retry is due yet, or if connecting fails.
   *
   * @param atOnce connects now, whatever the pause: for a user's request, since the broker may be back
   */
  connection(atOnce?: boolean): Promise<Connection>;
  /**
   * Resolves when it is time to request the connection again.
   *
   * @param failures how many times in a row the caller failed by itself while the connection was up
   */
  pause(failures: number): Promise<void>;
  close(): Promise<void>;
}

/** The connection to a broker for readers: opened on request, with pauses after failures. */
export function openLink(options: ConnectionOptions & { backoff: Backoff }, log: Logger): Link {
  const { backoff } = options;
  const name = nameOf(options.url);
  const pauses = new Set<() => void>();
  let opening: Promise<Connection> | undefined;
  let failures = 0;
  let failure = new StreamFailure('not tried yet');
  let pauseEnd = 0;
  let closed = false;

  function failed(reason: StreamFailure): void {
    if (failures === 0) log.warn({ broker: name, error: reason.message }, 'cannot read streams');
    failures += 1;
    failure = reason;
    pauseEnd = performance.now() + backoffDelay(backoff, failures, Math.random());
  }

  async function open(): Promise<Connection> {
    const since = performance.now();
    try {
      const lost = (reason: string) => {
        opening = undefined;
        // A connection that ends at once counts as a failure; after one that lasted, the next attempt comes soon.
        if (performance.now() - since > backoff.maximum * 1000) failures = 0;
        failed(new StreamFailure(`The broker ${name}: ${reason}`));
      };
      const opened = await openConnection(options, { lost }, async (connection) => connection);
      if (failures > 0) log.info({ broker: name }, 'reading streams again');
      return opened;
    } catch (error) {
      opening = undefined;
      const reason = error instanceof StreamFailure ? error : new StreamFailure(messageOf(error));
      failed(reason);
      throw reason;
    }
  }

  return {
    name,
    connection(atOnce = false) {
      if (closed) {
        return Promise.reject(new StreamFailure(`The connection to the broker ${name} has been closed.`));
      }
      if (opening === undefined) {
        if (!atOnce && performance.now() < pauseEnd) return Promise.reject(failure);
        opening = open();
      }
      return opening;
    },
    pause(own) {
      return new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          pauses.delete(end);
          resolve();
        };
        const least = backoffDelay(backoff, Math.max(1, own), Math.random());
        const timer = setTimeout(end, Math.max(pauseEnd - performance.now(), least));
        pauses.add(end);
        if (closed) end();
      });
    },
    async close() {
      closed = true;
      for (const end of pauses) end();
      const open = await opening?.catch(() => undefined);
      await open?.close();
    },
  };
}
