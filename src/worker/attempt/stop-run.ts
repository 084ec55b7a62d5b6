import type { Outcome } from '../../domain/jobs/outcome.js';
import type { Handle, Receipt } from '../../drivers/executors/executor.js';
import { HostError } from '../../drivers/hosts/host.js';
import { nothingToEnd } from '../../drivers/processes/terminate.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { noteIntent, readIntent } from './intent.js';
import type { Run, RunContext } from './run.js';

/**
 * Ends the program, with every process that it started. Who comes second changes nothing but hears the same, unless the
 * first has failed: then it is tried again.
 */
export function stopRun(context: RunContext, run: Run, outcome: Outcome): Promise<Receipt> {
  return run.stop === null || run.stop.failed ? beginStop(context, run, outcome, false) : run.stop.receipt;
}

/** Goes on with what a server before this one was doing when it was killed: its reason is kept, whoever sent the signal. */
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
  // Who waits for it hears of what went wrong; perhaps nobody does any more.
  receipt.catch(() => {
    stop.failed = true;
  });
  run.stop = stop;
  run.unwanted.abort();
  return receipt;
}

/** What cannot be noted is done all the same: a full disk keeps nothing from being ended. */
function note(context: RunContext, { job }: Run, outcome: Outcome): void {
  try {
    noteIntent(context.files.attempt(job.uuid, job.attempt), outcome);
  } catch (error) {
    context.log.warn({ job: job.uuid, error: messageOf(error) }, 'cannot record why a job is being ended');
  }
}

/** Ends it where it runs. What ran on a server that is no more has ended with that. */
async function endThere(context: RunContext, run: Run, handle: Handle): Promise<Receipt> {
  try {
    return await context.executor.cancel(handle, run.definition.killGrace);
  } catch (error) {
    if (error instanceof HostError && error.problem === 'gone') return nothingToEnd;
    if (!(error instanceof HostError || error instanceof PenstockError)) throw error;
    const detail = `What runs there could not be ended, and may run on: ${error.message}`;
    throw new PenstockError('machine-failed', detail, { cause: error });
  }
}
