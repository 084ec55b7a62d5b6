import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'ssh2';
import { backoffDelay } from '../../../lib/backoff.js';
import { HostError } from '../host.js';
import { logIn, nameOf, type SshConnection, type SshLogin, type SshTimes } from './ssh-login.js';

/** One connection that is opened when needed, and again after it broke. */
interface SshLink {
  /** The connection, once it is open. Concurrent callers share one attempt; after failures it waits a while first. */
  open(signal?: AbortSignal): Promise<Client>;
  /** Ends the connection; the next caller gets a new one. */
  renew(): void;
  close(): void;
}

/** Milliseconds for the other side to end a connection properly. */
const goodbye = 500;
/** Seconds before the next attempt, after one that failed. */
const pauses = { initial: 0.25, factor: 2, maximum: 10 };

export function openLink(login: SshLogin, times: SshTimes): SshLink {
  const known = new Map<string, string>();
  let current: SshConnection | null = null;
  let opening: Promise<SshConnection> | null = null;
  let failures = 0;
  let failedAt = 0;
  const closing = new AbortController();

  async function attempt(): Promise<SshConnection> {
    const wait =
      failures === 0 ? 0 : failedAt + backoffDelay(pauses, failures, Math.random()) - performance.now();
    if (wait > 0) await delay(wait, undefined, { signal: closing.signal });
    try {
      const made = await logIn(login, times, known);
      if (closing.signal.aborted) {
        made.end();
        throw closed();
      }
      failures = 0;
      current = made;
      made.client.once('close', () => {
        if (current === made) current = null;
      });
      return made;
    } catch (error) {
      failures += 1;
      failedAt = performance.now();
      throw error;
    }
  }
  const closed = () => new HostError('unreachable', `Penstock closed the connection to ${nameOf(login)}.`);

  return {
    async open(signal) {
      if (closing.signal.aborted) throw closed();
      if (current !== null) return current.client;
      opening ??= attempt().finally(() => {
        opening = null;
      });
      return (await abortable(opening, signal)).client;
    },
    renew() {
      current?.end();
      current = null;
    },
    close() {
      closing.abort(closed());
      const ending = current;
      if (ending === null) return;
      ending.end();
      // A machine that is gone does not answer: destroying the connection informs whoever still waits.
      setTimeout(() => ending.client.destroy(), goodbye).unref();
    },
  };
}

/** A shared promise from which one caller may withdraw. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason as Error);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
