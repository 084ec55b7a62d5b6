import type { Outcome } from '../domain/outcome.js';
import { PenstockError } from '../errors.js';
import type { Handle, Receipt } from '../executors/executor.js';
import { HostError } from '../hosts/host.js';
import { nothingToEnd } from '../hosts/terminate.js';
import type { Run, RunContext } from './run-job.js';

/**
 * Ends the program, with every process that it started. Who comes second changes nothing but hears the same, unless the
 * first has failed: then it is tried again.
 */
export function stopRun(context: RunContext, run: Run, outcome: Outcome): Promise<Receipt> {
  if (run.stop === null || run.stop.failed) {
    const receipt = run.started.then(() =>
      run.handle === null ? nothingToEnd : endThere(context, run, run.handle),
    );
    const stop = { outcome, receipt, failed: false };
    // Who waits for it hears of what went wrong; perhaps nobody does any more.
    receipt.catch(() => {
      stop.failed = true;
    });
    run.stop = stop;
    run.unwanted.abort();
  }
  return run.stop.receipt;
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
