/** How long to wait before a retry. Times in seconds. */
export interface Backoff {
  initial: number;
  factor: number;
  maximum: number;
}

/**
 * The wait before the given retry: exponential, capped, with full jitter in the upper half, so that jobs that
 * failed together do not come back together.
 *
 * @param retry 1 for the first retry
 * @param random a number in [0, 1)
 * @returns milliseconds
 */
export function backoffDelay(backoff: Backoff, retry: number, random: number): number {
  const full = Math.min(backoff.maximum, backoff.initial * backoff.factor ** (retry - 1));
  return Math.round(full * (0.5 + 0.5 * random) * 1000);
}
