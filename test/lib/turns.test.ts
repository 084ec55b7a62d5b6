import { expect, test } from 'vitest';
import { openTurns } from '../../src/lib/turns.js';

test('one after the other under one key, in order, also after a failure; other keys wait for nobody', async () => {
  const inTurn = openTurns<string>();
  const told: string[] = [];
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const first = inTurn('a', async () => {
    told.push('a1 begins');
    await held;
    throw new Error('a1 failed');
  });
  const second = inTurn('a', async () => told.push('a2'));
  await inTurn('b', async () => told.push('b'));
  expect(told).toEqual(['a1 begins', 'b']);
  letGo();
  await expect(first).rejects.toThrow('a1 failed');
  await second;
  expect(told).toEqual(['a1 begins', 'b', 'a2']);
});
