/** Why a job ended. */
export type Cause = 'exit' | 'signal' | 'timeout' | 'oom' | 'cancelled' | 'lost' | 'platform';

/** How a program, or the attempt to run one, ended. Failure and success have the same shape. */
export interface Outcome {
  cause: Cause;
  /** The program's exit status, if it ended by itself. */
  exit_code: number | null;
  /** The signal that ended it, such as `SIGKILL`. */
  signal: string | null;
  /** A sentence for people; null if the cause says it all. */
  reason: string | null;
}

export const exited = (code: number): Outcome => ({
  cause: 'exit',
  exit_code: code,
  signal: null,
  reason: null,
});

export const ended = (cause: Cause, reason: string | null = null): Outcome => ({
  cause,
  exit_code: null,
  signal: null,
  reason,
});

/** True if the outcome counts as success: an exit with one of the wanted codes. */
export function succeeded(outcome: Outcome, successCodes: readonly number[]): boolean {
  return outcome.cause === 'exit' && outcome.exit_code !== null && successCodes.includes(outcome.exit_code);
}

/** True if the program ran to its end, whatever became of its output. */
const hasRun = ({ exit_code, signal }: Outcome): boolean => exit_code !== null || signal !== null;

/**
 * Which retry budget a failure counts against, or undefined if it is never retried. A program that ran to its end is
 * retried only if its definition says so; the platform retries what it could not run.
 */
export function failureKind(
  outcome: Outcome,
  temporaryFailCodes: readonly number[],
): 'program' | 'platform' | undefined {
  switch (outcome.cause) {
    case 'platform':
      if (!hasRun(outcome)) return 'platform';
      return outcome.exit_code === null
        ? 'program'
        : failureKind({ ...outcome, cause: 'exit' }, temporaryFailCodes);
    case 'exit':
      // Without a list of temporary codes every failure is retried; with a list, only those codes are.
      return temporaryFailCodes.length === 0 || temporaryFailCodes.includes(outcome.exit_code ?? -1)
        ? 'program'
        : undefined;
    case 'signal':
    case 'timeout':
    case 'oom':
      return 'program';
    case 'cancelled':
    case 'lost':
      return undefined;
  }
}
