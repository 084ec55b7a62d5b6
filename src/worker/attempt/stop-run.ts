import type { Outcome } from '../../domain/jobs/outcome.js';
import type { Handle, Receipt } from '../../drivers/executors/executor.js';
import { HostError } from '../../drivers/hosts/host.js';
import { nothingToEnd } from '../../drivers/processes/terminate.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { noteIntent, readIntent } from './intent.js';
import type { Run, RunContext } from './run.js';

/**
 * Ends the program with every process that it started. A second call gets the same receipt, unless the first failed:
 * then it tries again.
 */
export function stopRun(context: RunContext, run: Run, outcome: Outcome): Promise<Receipt> {
  return run.stop === null || run.stop.failed ? beginStop(context, run, outcome, false) : run.stop.receipt;
}

/**
 * Continues to end a job that was being ended when Penstock was killed: the recorded reason is kept, whoever sent the
 * signal.
 */
export function goOnStopping(context: RunContext, run: Run): void {
  const intent = run.stop === null ? readIntent(context.files.attempt(run.job.uuid, run.job.attempt)) : null;
  if (intent !== null) void beginStop(context, run, intent, true);
}

function beginStop(context: RunContext, run: Run, outcome: Outcome, noted: boolean): Promise<Receipt> {
  const receipt = run.started.then(() => {
    if (run.handle === null) return nothingToEnd;
    if (!noted) note(context, run, outcome);
    return endThere(context, run, run.handle);
  });
  const stop = { outcome, receipt, failed: false, noted };
  // Whoever waits for it gets the error; perhaps nobody waits any longer.
  receipt.catch(() => {
    stop.failed = true;
  });
  run.stop = stop;
  run.unwanted.abort();
  return receipt;
}

/** Even if it cannot be recorded, the job is ended: a full disk must not prevent that. */
function note(context: RunContext, { job }: Run, outcome: Outcome): void {
  try {
    noteIntent(context.files.attempt(job.uuid, job.attempt), outcome);
  } catch (error) {
    context.log.warn({ job: job.uuid, error: messageOf(error) }, 'cannot record why a job is being ended');
  }
}

/** Ends it where it runs. A program on a server that no longer exists has ended with it. */
async function endThere(context: RunContext, run: Run, handle: Handle): Promise<Receipt> {
  try {
    return await context.executor.cancel(handle, run.definition.killGrace);
  } catch (error) {
    if (error instanceof HostError && error.problem === 'gone') return nothingToEnd;
    if (!(error instanceof HostError || error instanceof PenstockError)) throw error;
    const detail = `The program could not be ended, and may still be running: ${error.message}`;
    throw new PenstockError('machine-failed', detail, { cause: error });
  }
}
