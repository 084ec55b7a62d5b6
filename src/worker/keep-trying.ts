import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, PenstockError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';

/** Errors that pass by themselves: a locked database, a full disk. */
const passing = ['store-unavailable', 'disk-full'];

/**
 * Stores something, and retries while the database is unavailable, so that nothing that has happened is lost.
 *
 * @param fields fields for the log
 */
export async function keepTrying<T>(log: Logger, fields: object, action: () => Promise<T>): Promise<T> {
  for (let wait = 100; ; wait = Math.min(wait * 2, 5000)) {
    try {
      return await action();
    } catch (error) {
      if (!(error instanceof PenstockError && passing.includes(error.code))) throw error;
      log.error({ ...fields, error: messageOf(error) }, 'cannot store an event; retrying');
      await delay(wait);
    }
  }
}
