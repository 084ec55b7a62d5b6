import { expect } from 'vitest';

/** So many messages, from 0 on, go through an operation. */
export const many = 20_000;

/**
 * None is lost; each comes for the first time in its place; and what comes again says that it was redelivered.
 *
 * @param answer what message `index` was answered with
 */
export function checkAnswers(
  came: readonly { text: string; redelivered: boolean }[],
  answer: (index: number) => string,
): void {
  const indexes = new Map(Array.from({ length: many }, (_, index) => [answer(index), index]));
  const seen = new Set<number>();
  const order: number[] = [];
  const wrong: string[] = [];
  for (const { text, redelivered } of came) {
    const index = indexes.get(text);
    if (index === undefined) wrong.push(`unknown: ${text}`);
    else if (!seen.has(index)) order.push(index);
    else if (!redelivered) wrong.push(`again, and not marked: ${text}`);
    if (index !== undefined) seen.add(index);
  }
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(seen.size).toBe(many);
  expect(order.findIndex((index, place) => index !== place)).toBe(-1);
}
