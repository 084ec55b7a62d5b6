import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, PenstockError } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';

/** What passes by itself: a locked database, a full disk. */
const passing = ['store-unavailable', 'disk-full'];

/**
 * Does what has to be stored, and goes on trying while the database is out of order: what has happened is not lost for
 * that.
 *
 * @param fields what it is about, for the log
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
