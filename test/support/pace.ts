import { spawnSync } from 'node:child_process';

/** Milliseconds in which a quiet machine of two cores starts and ends one small program. */
const quiet = 1.5;
const programs = 60;
/** Slower than this is no machine to wait for. */
const slowest = 10;

/**
 * How many times slower than a quiet machine this one is, from 1 to 10. Starting programs is what the tests do most, and
 * what differs most between machines.
 */
export function measurePace(): number {
  const begun = performance.now();
  for (let n = 0; n < programs; n += 1) spawnSync('/bin/true');
  const slower = (performance.now() - begun) / (quiet * programs);
  return Math.min(slowest, Math.max(1, Math.round(10 * slower) / 10));
}

/** The pace that was measured once, before all tests: `vitest.config.ts` hands it to every worker. */
const pace = Number(process.env.PENSTOCK_TEST_PACE ?? 1);

/**
 * So much time of a quiet machine, in any unit, as long as it takes on this one. Whole numbers stay whole: Node.js takes
 * no others for its time-outs.
 */
export const atPace = (time: number): number =>
  Number.isInteger(time) ? Math.ceil(time * pace) : time * pace;
