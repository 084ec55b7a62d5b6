import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import { failureKind, type Outcome } from '../../domain/jobs/outcome.js';
import { backoffDelay } from '../../lib/backoff.js';
import { persist, type Run, type RunContext } from './run.js';

/** Back-off for failures of the platform; a definition's own is for failures of its program. Seconds. */
const platformBackoff = { initial: 1, factor: 2, maximum: 60 };

export interface RetryOptions {
  /** The current limit of retries after a failure of the platform. */
  platformRetries: () => number;
  /** Whether lost jobs are retried as failures of the platform: true where the machine is given up with the job. */
  retriesLost?: boolean;
}

/** A job that waits for another attempt; null if there will be none. */
export type Again = { job: Job; definition: ProcessDefinition } | null;

/** Sends the job of a failed attempt back to wait for another one, if a budget allows it. */
export async function retry(context: RunContext & RetryOptions, run: Run, outcome: Outcome): Promise<Again> {
  const { definition, job } = run;
  // Whoever cancels a job that has just failed does not want a retry. Jobs joined by a pipe can only be rerun together.
  const { attended, joined } = job.request;
  const bound = attended === true || joined !== undefined;
  const unwanted = run.permanent || bound || run.stop?.outcome.cause === 'cancelled';
  const again =
    outcome.cause === 'lost' && context.retriesLost
      ? 'platform'
      : failureKind(outcome, definition.temporaryFailCodes);
  const kind = unwanted ? undefined : again;
  if (kind === undefined) return null;
  const failures = (kind === 'program' ? job.programFailures : job.platformFailures) + 1;
  const limit = kind === 'program' ? definition.retries.limit : context.platformRetries();
  if (failures > limit) return null;
  const backoff = kind === 'program' ? definition.retries.backoff : platformBackoff;
  const wait = backoffDelay(backoff, failures, Math.random());
  const notBefore = new Date(Date.now() + wait);
  // A program's failure is in its log; while the job waits, the platform's is shown only here.
  const why = kind === 'platform' && outcome.reason !== null ? `: ${outcome.reason}` : '';
  const change = {
    attempt: job.attempt,
    handle: null,
    started: null,
    notBefore,
    waiting: `attempt ${job.attempt + 1} after ${describe(outcome)}${why}`,
    ...(kind === 'program' ? { programFailures: failures } : { platformFailures: failures }),
  };
  const data = {
    attempt: job.attempt,
    outcome,
    retry: failures,
    of: limit,
    not_before: notBefore.toISOString(),
  };
  const reset = await persist(context, job, 'reset', change, data);
  return { job: await persist(context, reset, 'ready', {}), definition };
}

/** How an attempt ended, in a few words. */
export function describe(outcome: Outcome): string {
  if (outcome.cause === 'exit') return `exit code ${outcome.exit_code}`;
  return outcome.signal === null ? outcome.cause : `${outcome.cause} (${outcome.signal})`;
}
