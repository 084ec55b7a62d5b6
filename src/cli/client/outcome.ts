import { constants } from 'node:os';
import { isUnfinished, type State } from '../../domain/jobs/job-state.js';
import { cellText } from '../terminal/table.js';
import type { Json } from './client.js';
import { exitCodes } from './failure.js';

/** How a job ended, as its JSON tells it. */
interface JobOutcome {
  cause?: string;
  exit_code?: number | null;
  signal?: string | null;
  reason?: string | null;
}

/** Whether the job has ended for good. A job that will be retried goes to RESET, never to FAILED. */
export function hasEnded(job: Json): boolean {
  return !isUnfinished(job.state as State);
}

/** Whether it succeeded, whatever validators decided later. */
export function hasSucceeded(job: Json): boolean {
  return hasEnded(job) && job.state !== 'FAILED';
}

/** Whether it is a service that is ready. */
export function isReady(job: Json): boolean {
  return (job.service as { ready?: unknown } | null | undefined)?.ready === true;
}

/** How the program ended, as a clause. */
export function outcomeText(job: Json): string {
  const outcome = outcomeOf(job);
  const reason = outcome?.reason ? ` (${cellText(outcome.reason)})` : '';
  switch (outcome?.cause) {
    case 'exit':
      return `it exited with code ${outcome.exit_code}${reason}`;
    case 'signal':
      return `it was killed by ${cellText(outcome.signal)}${reason}`;
    case 'timeout':
      return `it timed out${reason}`;
    case 'oom':
      return `it ran out of memory${reason}`;
    case 'cancelled':
      return `it was cancelled${reason}`;
    case 'lost':
      return `it was lost, so nobody knows how it ended${reason}`;
    case 'platform':
      return `the platform failed, not the program${reason}`;
    default:
      return `it is ${cellText(job.state)}`;
  }
}

/** The exit code of `penstock run`: the program's own if it has one, else what a shell would return. */
export function exitCodeOf(job: Json): number {
  const outcome = outcomeOf(job);
  switch (outcome?.cause) {
    case 'exit':
      // A job can fail even though its program exited with 0, if its output could not be collected.
      return outcome.exit_code || (hasSucceeded(job) ? exitCodes.ok : exitCodes.failed);
    case 'signal':
      return 128 + signalNumber(outcome.signal);
    case 'timeout':
      return exitCodes.timeout;
    case 'oom':
      return 128 + constants.signals.SIGKILL;
    case 'cancelled':
      return exitCodes.interrupted;
    default:
      return hasSucceeded(job) ? exitCodes.ok : exitCodes.failed;
  }
}

function signalNumber(name: string | null | undefined): number {
  const numbers: Record<string, number> = constants.signals;
  return numbers[name ?? ''] ?? constants.signals.SIGTERM;
}

function outcomeOf(job: Json): JobOutcome | undefined {
  return typeof job.outcome === 'object' && job.outcome !== null ? (job.outcome as JobOutcome) : undefined;
}
