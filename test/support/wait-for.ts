import { setTimeout as delay } from 'node:timers/promises';
import { atPace } from './pace.js';
import { hearWitnesses } from './witnesses.js';

/**
 * Waits for a condition, looking often. After the deadline it throws: what it waited for, and what was there instead.
 *
 * @param deadline milliseconds on a quiet machine; a slower one gets as much more as it is slower
 * @param instead what there was at the last look, where the condition knows more than yes or no
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  what: string,
  deadline = 30_000,
  instead?: () => unknown,
): Promise<NonNullable<T>> {
  const patience = atPace(deadline);
  const begin = Date.now();
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    const waited = Date.now() - begin;
    if (waited > patience) {
      const found = instead === undefined ? '' : `; there was ${JSON.stringify(instead())}`;
      throw new Error(`waited ${patience} ms in vain for ${what}${found}\n${await hearWitnesses()}`);
    }
    // Often at first, then more and more seldom: each look may cost the server something.
    await delay(Math.min(20 + waited / 20, 100));
  }
}
