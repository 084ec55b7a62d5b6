import { afterEach, expect, test, vi } from 'vitest';
import { risingClock } from '../../../src/dialects/processing-node/envelope.js';

afterEach(() => vi.restoreAllMocks());

test('the clock rises at each look, however fast they come', () => {
  const now = risingClock();
  const times = Array.from({ length: 200_000 }, now);
  expect(times.findIndex((time, index) => index > 0 && time <= (times[index - 1] as number))).toBe(-1);
  expect(new Set(times.map((time) => time.toFixed(6))).size).toBe(times.length);
});

test('it follows a clock that is put forward, and waits for one that is put back', () => {
  const now = risingClock();
  const start = Date.now();
  const first = now();
  expect(Math.abs(first - start / 1000)).toBeLessThan(1);
  const clock = vi.spyOn(Date, 'now').mockReturnValue(start + 3_600_000);
  const ahead = now();
  expect(Math.abs(ahead - first - 3600)).toBeLessThan(1);
  clock.mockReturnValue(start);
  const behind = [now(), now()];
  expect(behind.map((time) => Math.round((time - ahead) * 1e6))).toEqual([1, 2]);
});
