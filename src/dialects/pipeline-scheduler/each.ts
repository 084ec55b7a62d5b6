import { PenstockError } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';

/** Whether an error is the item's own fault, so that a retry would not help. */
export const isOfItem = (error: unknown): error is PenstockError =>
  error instanceof PenstockError && error.code === 'invalid-body';

/**
 * Registers items one by one, the good ones even if others are bad. As long as nothing was registered, it throws errors
 * that are not an item's own fault, such as a full queue, so that the client can send the whole list again.
 *
 * @returns for each item the result of `register` or `refused`, and how many were bad
 */
export async function each(
  items: readonly unknown[],
  register: (item: unknown) => Promise<unknown>,
  refused: (error: PenstockError) => unknown,
): Promise<{ results: unknown[]; bad: number }> {
  const results: unknown[] = [];
  let bad = 0;
  const pace = pacer();
  for (const item of items) {
    await pace();
    try {
      results.push(await register(item));
    } catch (error) {
      if (!(error instanceof PenstockError)) throw error;
      if (!isOfItem(error) && results.length === bad) throw error;
      bad += 1;
      results.push(refused(error));
    }
  }
  return { results, bad };
}
