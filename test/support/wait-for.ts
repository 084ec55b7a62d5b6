import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a condition, looking often; after the deadline it throws and says what it waited for. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  what: string,
  deadline = 30_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (Date.now() > end) throw new Error(`waited ${deadline} ms in vain for ${what}`);
    await delay(20);
  }
}
