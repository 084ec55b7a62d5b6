import { PenstockError } from '../../lib/errors.js';
import { pacer } from '../../lib/pace.js';

/** True for an error that is the item's own: it would be as wrong at another time. */
export const isOfItem = (error: unknown): error is PenstockError =>
  error instanceof PenstockError && error.code === 'invalid-body';

/**
 * Registers one item after the other, the good ones even where others are bad. What is no item's own fault, such as a
 * full queue, is thrown as long as nothing was registered: the whole list can be sent again then.
 *
 * @returns for each item what `register` or `refused` makes of it, and how many were bad
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
