import { describe, expect, it } from 'vitest';
import { exitCodeOf, hasEnded, hasSucceeded, outcomeText } from '../../../src/cli/client/outcome.js';

const job = (state: string, outcome?: object, ended: string | null = '2026-01-01T00:00:00') => ({
  state,
  outcome,
  ended,
});

describe('how a job ended', () => {
  it.each([
    [job('FINISHED', { cause: 'exit', exit_code: 0 }), 0],
    [job('FINISHED', { cause: 'exit', exit_code: 1 }), 1],
    [job('FAILED', { cause: 'exit', exit_code: 3 }), 3],
    // The program was content, but its output could not be taken.
    [job('FAILED', { cause: 'exit', exit_code: 0 }), 1],
    [job('FAILED', { cause: 'signal', signal: 'SIGKILL' }), 137],
    [job('FAILED', { cause: 'signal', signal: 'SIGWHAT' }), 143],
    [job('FAILED', { cause: 'timeout', signal: 'SIGTERM' }), 124],
    [job('FAILED', { cause: 'oom' }), 137],
    [job('FAILED', { cause: 'cancelled' }), 130],
    [job('FAILED', { cause: 'lost' }), 1],
    [job('FAILED', { cause: 'platform', reason: 'no disk' }), 1],
    [job('FINISHED'), 0],
  ])('%j ends penstock run with %i', (ended, code) => {
    expect(exitCodeOf(ended)).toBe(code);
    expect(outcomeText(ended)).toMatch(/^(it|the platform) /);
  });

  it('tells the reason', () => {
    expect(outcomeText(job('FAILED', { cause: 'platform', reason: 'no\ndisk' }))).toContain('(no disk)');
  });

  it('knows which states are an end', () => {
    expect(hasEnded(job('CREATED', undefined, null))).toBe(false);
    expect(hasEnded(job('RUNNING', undefined, null))).toBe(false);
    expect(hasEnded(job('RESET'))).toBe(false);
    expect(hasEnded(job('RETIRED'))).toBe(true);
    expect(hasSucceeded(job('VALIDATED'))).toBe(true);
    expect(hasSucceeded(job('FAILED'))).toBe(false);
  });
});
