import { existsSync } from 'node:fs';
import path from 'node:path';
import type { JobChange } from '../../domain/jobs/job.js';
import { ended, type Outcome } from '../../domain/jobs/outcome.js';
import { afterEnd, reasonOf, type Verdict, withHealth } from '../../domain/services/service.js';
import { secondsSince } from '../../drivers/processes/boot-clock.js';
import { messageOf } from '../../lib/errors.js';
import { logStart } from '../../store/folder/log-file.js';
import { clearUp } from '../attempt/adapt.js';
import { forgetSecrets } from '../attempt/forget-secrets.js';
import { describe } from '../attempt/retry.js';
import { newRun, type Run, type RunContext } from '../attempt/run.js';
import { collect } from '../attempt/run-job.js';
import { afterRestart, ownEnd } from './service-start.js';
import { isFinal, ring, type Supervised, tell } from './supervised.js';

/** Handles the end of a start: waits for the next one, or ends the service itself. */
export async function endOfStart(
  context: RunContext,
  one: Supervised,
  run: Run,
  given: Outcome,
): Promise<void> {
  const { uuid, attempt } = run.job;
  try {
    // Processes that it left behind would block the next start, by holding a port for example.
    if (run.handle !== null) await context.executor.cancel(run.handle, one.definition.killGrace);
    context.files.forgetCommand(uuid, attempt);
  } catch (error) {
    context.log.warn({ job: uuid, error: messageOf(error) }, 'cannot end what a service left behind');
  }
  const now = new Date();
  const outcome = ownEnd(given, one.state);
  const verdict = verdictOn(one, run, outcome);
  one.run = null;
  one.state = { ...one.state, last_end: { ...outcome, attempt, date: now.toISOString() } };
  if (verdict.next !== 'start') return conclude(context, one, attempt, verdict);
  await clearUp(context, run);
  const next = new Date(now.getTime() + verdict.wait);
  one.state = withHealth(one.state, verdict.wait > 0 ? 'waiting' : 'starting', now, {
    in_a_row: verdict.inARow,
    next_start: next.toISOString(),
    asked: afterRestart(one.state),
  });
  await tell(
    context,
    one,
    'resource',
    { attempt, handle: null, notBefore: next, waiting: `start ${attempt + 1} after ${describe(outcome)}` },
    {
      attempt,
      outcome,
      restart: verdict.inARow,
      of: one.rules.restartLimit,
      not_before: next.toISOString(),
    },
  );
  ring(one, attempt);
}

function verdictOn(one: Supervised, run: Run, outcome: Outcome): Verdict {
  if (isFinal(one)) return { next: 'finish' };
  const { permanent, handle } = run;
  if (one.state.asked !== null && !permanent) return { next: 'start', wait: 0, inARow: 0 };
  const { started } = run.job;
  const up = handle === null || started === null ? 0 : secondsSince(handle.began, started);
  const { successCodes } = one.definition;
  return afterEnd(one.rules, successCodes, { outcome, up, permanent }, one.state.in_a_row, Math.random());
}

/**
 * Ends a service: it ended by itself and is not restarted, was stopped or cancelled, or is given up.
 *
 * @param attempt the number of its last start, whose program may never have run
 */
export async function conclude(
  context: RunContext,
  one: Supervised,
  attempt: number,
  verdict: Exclude<Verdict, { next: 'start' }>,
): Promise<void> {
  const { asked } = one.state;
  one.ending = true;
  const { outcome, change } = await taken(context, one, attempt);
  const end = (): { event: 'finish' | 'fail'; outcome: Outcome } => {
    if (asked?.what === 'cancel') {
      return { event: 'fail', outcome: { ...outcome, cause: 'cancelled', reason: reasonOf(asked) } };
    }
    if (asked?.what === 'stop') {
      const reason = reasonOf(asked);
      // A service that never ran cannot have finished.
      if (one.job.state !== 'RUNNING') return { event: 'fail', outcome: ended('cancelled', reason) };
      return { event: 'finish', outcome: { ...(lastOf(one) ?? outcome), reason } };
    }
    // It succeeded, but its output could not be collected.
    if (verdict.next === 'finish') return { event: outcome.cause === 'exit' ? 'finish' : 'fail', outcome };
    const reason = [outcome.reason, verdict.reason].filter((text) => text !== null).join(' ');
    return { event: 'fail', outcome: { ...outcome, reason: reason === '' ? null : reason } };
  };
  const { event, outcome: final } = end();
  one.state = withHealth(one.state, 'ended', new Date(), { asked: null });
  await tell(
    context,
    one,
    event,
    { ...change, attempt, outcome: final, ended: new Date(), waiting: null, notBefore: null },
    final,
  );
  forgetSecrets(context.files, { ...one.job, attempt }, one.definition);
}

/** The output of the last start, if its program ran. */
async function taken(
  context: RunContext,
  one: Supervised,
  attempt: number,
): Promise<{ outcome: Outcome; change: JobChange }> {
  const last = lastOf(one);
  const run = newRun(context.files, { job: { ...one.job, attempt }, definition: one.definition });
  if (last !== null && existsSync(context.files.log(one.job.uuid, attempt, 'stdout'))) {
    const collected = await collect(context, run, last);
    const { outputPath, outputSize } = collected.change;
    if (typeof outputPath !== 'string' || typeof outputSize !== 'number') return collected;
    // The log of a stream may have been cut.
    const start = logStart(path.join(context.files.folder(one.job.uuid), outputPath));
    return { ...collected, change: { ...collected.change, outputSize: Math.max(0, outputSize - start) } };
  }
  if (attempt > 0) await clearUp(context, run);
  return { outcome: last ?? ended('cancelled'), change: {} };
}

function lastOf({ state }: Supervised): Outcome | null {
  if (state.last_end === null) return null;
  const { cause, exit_code, signal, reason } = state.last_end;
  return { cause, exit_code, signal, reason };
}
