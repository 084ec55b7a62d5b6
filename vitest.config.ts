import { defineConfig } from 'vitest/config';
import HeavyFirst from './test/support/heavy-first.js';
import { measurePace } from './test/support/pace.js';
import { slots } from './test/support/weights.js';

const pace = measurePace();
if (pace > 1.5) console.warn(`This machine is ${pace} times slower than a quiet one: deadlines are longer.`);

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts', 'test/support/slots.ts'],
    setupFiles: ['test/support/take-slots.ts'],
    sequence: { sequencer: HeavyFirst },
    // Long, for busy machines: tests wait for conditions, each with a deadline of its own.
    testTimeout: 180_000 * pace,
    hookTimeout: 180_000 * pace,
    // A whole run on a busy machine takes hours. Tests that pass only on a retry are named at the end.
    retry: process.env.CI ? 1 : 0,
    expect: { poll: { timeout: 30_000 * pace } },
    env: { PENSTOCK_TEST_PACE: String(pace) },
    pool: 'forks',
    maxWorkers: slots,
    reporters: ['default'],
  },
});
