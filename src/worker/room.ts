import path from 'node:path';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { lowRoom, type Reserve, roomOf } from '../store/folder/reserve.js';

/** Free bytes on the disk of each. */
type FreeRoom = Partial<Record<'data' | 'database', number>>;

/**
 * Checks free disk space periodically, logs when it becomes low, runs out, or is enough again, and maintains the
 * reserve.
 *
 * @param given.back called when there is space again after there was none
 */
export function watchRoom(
  given: { data: string; database: string; reserve: Reserve; log: Logger; back: () => void },
  interval = 5000,
) {
  const { reserve, log } = given;
  const folders = { data: given.data, database: path.dirname(given.database) };
  const free: FreeRoom = {};
  let wasFull = false;
  let wasLow = false;

  async function look(): Promise<void> {
    for (const [name, folder] of Object.entries(folders)) {
      free[name as keyof FreeRoom] = (await roomOf(folder)).free;
    }
    await reserve.make();
    const least = Math.min(...Object.values(free));
    const low = least < lowRoom;
    if (reserve.spent !== wasFull) {
      if (reserve.spent)
        log.error({ free }, 'disk full: nothing new is stored or started, but jobs can still be ended');
      else log.info({ free }, 'disk has room again');
      wasFull = reserve.spent;
      if (!wasFull) given.back();
    } else if (low !== wasLow && !wasFull) {
      if (low) log.warn({ free }, 'disk space is low');
      else log.info({ free }, 'disk space is no longer low');
    }
    wasLow = low;
  }

  let looking: Promise<void> | null = null;
  const lookOnce = () => {
    looking ??= look()
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'cannot read free disk space'))
      .finally(() => {
        looking = null;
      });
    return looking;
  };
  const timer = setInterval(() => void lookOnce(), interval);
  timer.unref();
  void lookOnce();

  return {
    /** As of the latest check. */
    free: (): FreeRoom => free,
    async stop(): Promise<void> {
      clearInterval(timer);
      await looking;
    },
  };
}
