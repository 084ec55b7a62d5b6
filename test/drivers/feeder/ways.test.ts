import { expect, test } from 'vitest';
import { pauses } from '../../../src/drivers/feeder/ways.js';

test('a program that takes long is looked at less and less often, and is never late by much', () => {
  let elapsed = 0;
  let looks = 0;
  for (const pause of pauses(5, 500, 1.2)) {
    expect(pause).toBeLessThanOrEqual(5 + elapsed / 5);
    elapsed += pause;
    looks += 1;
    if (elapsed > 60_000) break;
  }
  expect(looks).toBeLessThan(150);
});
