import { ended, type Outcome } from '../../domain/jobs/outcome.js';
import { reasonOf, type ServiceState, withHealth } from '../../domain/services/service.js';
import type { Handle } from '../../drivers/executors/executor.js';
import { secondsSince, thisMoment } from '../../drivers/processes/boot-clock.js';
import type { RunMarks } from '../../drivers/processes/members.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import type { Run, RunContext } from '../attempt/run.js';
import { startProgram, waitForProgram } from '../attempt/run-job.js';
import { stopRun } from '../attempt/stop-run.js';
import { ring, type Supervised, tell } from './supervised.js';
import { watchService } from './watch-service.js';

/** How many starts' folders and logs are kept: a program that ends again and again must not fill the disk. */
const keptAttempts = 5;

/** One start of a service to its end, from its beginning or from where it was found after a restart of Penstock. */
export async function runStart(context: RunContext, one: Supervised, run: Run): Promise<Outcome> {
  const guards = new AbortController();
  let watching: Promise<void> | undefined;
  try {
    if (run.handle === null) await start(context, one, run);
    else await takeUp(context, one, run);
    watching = watch(context, one, run, guards.signal);
    return await waitForProgram(context, run);
  } catch (error) {
    const reason = messageOf(error);
    context.log.warn({ job: run.job.uuid, error: reason }, 'cannot run the program of a service');
    run.permanent = error instanceof PenstockError;
    run.begun();
    return ended('platform', reason);
  } finally {
    guards.abort('ended');
    await watching;
  }
}

/** The state of a service when its program is started. */
function stateOfStart(one: Supervised, attempt: number): ServiceState {
  const health = one.rules.ready.by === 'start' ? 'ready' : 'starting';
  return withHealth(one.state, health, new Date(), {
    restarts: one.state.restarts + (attempt > 1 ? 1 : 0),
  });
}

async function start(context: RunContext, one: Supervised, run: Run): Promise<void> {
  const { uuid, attempt } = run.job;
  await context.files.pruneAttempts(uuid, attempt - keptAttempts);
  const after = one.state.last_end;
  one.state = stateOfStart(one, attempt);
  const { recorded } = await startProgram(context, run, {
    change: () => ({ service: one.state }),
    data: after === null ? {} : { after },
  });
  run.begun();
  one.job = await recorded;
  run.job = one.job;
  ring(one, attempt);
}

/** Continues a program that was found after a restart of Penstock. */
async function takeUp(context: RunContext, one: Supervised, run: Run): Promise<void> {
  run.begun();
  const { attempt } = run.job;
  if (one.job.attempt !== attempt) {
    // It was started, but we died before that was stored. If a restart was asked for, this is it.
    if (run.handle !== null) run.handle.began ??= thisMoment();
    one.state = { ...stateOfStart(one, attempt), asked: afterRestart(one.state) };
    const change = { handle: run.handle, attempt, started: new Date(), waiting: null, notBefore: null };
    await tell(context, one, 'run', change, { attempt, found_after_restart: true });
  }
  run.job = one.job;
  if (one.state.asked !== null) void endStart(context, one, run);
}

/** What is still asked for once the program has been restarted. */
export const afterRestart = ({ asked }: ServiceState): ServiceState['asked'] =>
  asked?.what === 'restart' ? null : asked;

/** Ends a start because somebody asked for that. */
export async function endStart(context: RunContext, one: Supervised, run: Run): Promise<void> {
  const receipt = await stopRun(context, run, asked);
  one.receipt = receipt;
}

/** Marks the requested end of a start: `ownEnd` replaces it by how the program itself ended. */
const asked = ended('cancelled');

/** How a start ended: for a requested end, how the program reacted, and who asked. */
export function ownEnd(outcome: Outcome, { asked }: ServiceState): Outcome {
  if (outcome.cause !== 'cancelled' || asked === null) return outcome;
  const cause = outcome.signal !== null ? 'signal' : outcome.exit_code !== null ? 'exit' : 'lost';
  return { ...outcome, cause, reason: reasonOf(asked) };
}

function watch(context: RunContext, one: Supervised, run: Run, signal: AbortSignal): Promise<void> {
  const { uuid, attempt, started } = run.job;
  return watchService(
    {
      folder: context.files.attempt(uuid, attempt),
      // A handle of this machine has all the marks.
      program: run.handle as Handle & RunMarks,
      rules: one.rules,
      up: () => secondsSince(run.handle?.began, started),
      ready: one.state.ready,
    },
    {
      async ready() {
        if (signal.aborted || one.state.asked !== null) return;
        one.state = withHealth(one.state, 'ready', new Date());
        await tell(context, one, 'update', {}, { attempt, ready: true });
      },
      failed(reason) {
        void stopRun(context, run, ended('timeout', reason));
      },
      trouble(error) {
        context.log.warn({ job: uuid, error: messageOf(error) }, 'cannot trim the log of a service');
      },
    },
    signal,
  );
}
