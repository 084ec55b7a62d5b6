import type { Outcome } from '../jobs/outcome.js';
import { groupOf, type Plan } from './pipeline-plan.js';

/** The progress of a step. Its jobs are counted from 0; a step without `each` has one. */
export interface StepState {
  /** How many jobs the step has; null until its items have been counted. */
  total: number | null;
  /** The first job that was never created. */
  next: number;
  /** Jobs before `next` that must still be started: to be run again, or missed because of a crash. Ascending. */
  todo: readonly number[];
  /** How many are waiting or running. */
  unended: number;
  /** How many will be run again, but do not wait in the queue yet. */
  resting: number;
  failed: number;
  finished: number;
  /** Whether the job of that item has succeeded. */
  hasFinished(item: number): boolean;
}

export type Move =
  /** Count the items. */
  | { do: 'count'; step: string }
  /** Start these jobs of the step, together with all that are joined to it by pipes. */
  | { do: 'start'; step: string; items: number[] }
  /** Cancel every job that has not ended. */
  | { do: 'cancel' }
  | { do: 'finish' }
  | { do: 'fail' };

/**
 * What to do next for a pipeline. This is all the logic of progress, and it keeps no state between calls. No moves
 * means: wait for a job to end.
 *
 * @param bound how many items of a step may be in progress at once if the step does not say
 */
export function movesOf(plan: Plan, states: ReadonlyMap<string, StepState>, bound: number): Move[] {
  const stateOf = (name: string) => states.get(name) as StepState;
  const all = plan.steps.map(({ name }) => stateOf(name));
  if (plan.stop !== null || all.some(({ failed }) => failed > 0)) {
    return [{ do: all.some(({ unended, resting }) => unended + resting > 0) ? 'cancel' : 'fail' }];
  }
  if (all.every(isDone)) return [{ do: 'finish' }];
  const followers = new Set(plan.steps.map(({ joinedTo }) => joinedTo));
  return plan.steps.flatMap((step): Move[] => {
    const state = stateOf(step.name);
    // The reader of a pipe is started together with its writer.
    if (isDone(state) || followers.has(step.name)) return [];
    // Items of the previous step are taken one by one, as they come.
    const alongside = step.each?.over === 'items' ? step.input?.step : undefined;
    if (!step.needs.every((name) => name === alongside || isDone(stateOf(name)))) return [];
    if (state.total === null) {
      const counted = alongside === undefined || stateOf(alongside ?? '').total !== null;
      return counted ? [{ do: 'count', step: step.name }] : [];
    }
    const from = alongside === undefined ? undefined : stateOf(alongside ?? '');
    const room = (step.each?.concurrency ?? bound) - state.unended;
    const items = startable(state, room, (item) => from?.hasFinished(item) !== false);
    return items.length === 0 ? [] : [{ do: 'start', step: step.name, items }];
  });
}

/** True when every job of the step has succeeded. */
const isDone = ({ total, finished }: StepState): boolean => total !== null && finished === total;

function startable(
  { todo, next, total }: StepState,
  room: number,
  ready: (item: number) => boolean,
): number[] {
  const items: number[] = [];
  for (const item of todo) {
    if (items.length >= room) return items;
    if (ready(item)) items.push(item);
  }
  // In order, so that all items from `next` on were never started.
  for (let item = next; item < (total ?? 0) && items.length < room && ready(item); item += 1)
    items.push(item);
  return items;
}

/** A step's job that failed. */
export interface Failure {
  step: string;
  item: number | null;
  outcome: Outcome;
  ended: Date;
}

/** Whether a program wrote to a pipe whose reader had ended. */
export const isBrokenPipe = ({ cause, exit_code, signal }: Outcome): boolean =>
  signal === 'SIGPIPE' || (cause === 'exit' && exit_code === 128 + 13);

/**
 * The failure that caused the others: the earliest, ignoring jobs that were cancelled because of it and programs that
 * only lost their reader.
 */
export function firstFailure(plan: Plan, failures: readonly Failure[]): Failure | undefined {
  const joined = new Set(plan.steps.filter(({ joinedTo }) => joinedTo !== null).map(({ name }) => name));
  const rank = ({ step, outcome }: Failure) =>
    outcome.cause === 'cancelled' ? 2 : joined.has(step) && isBrokenPipe(outcome) ? 1 : 0;
  return [...failures].sort((a, b) => rank(a) - rank(b) || a.ended.getTime() - b.ended.getTime())[0];
}

/** The outcome of a pipeline whose step failed like this. */
export function failedOutcome({ step, item, outcome }: Failure): Outcome {
  const who = item === null ? `The step '${step}'` : `Item ${item} of the step '${step}'`;
  const { cause, exit_code, signal, reason } = outcome;
  const how =
    reason !== null
      ? ` failed: ${reason}`
      : cause === 'exit'
        ? ` exited with ${exit_code}.`
        : signal !== null
          ? ` was ended by ${signal}.`
          : ` failed: ${cause}.`;
  return { ...outcome, reason: who + how };
}

/**
 * The steps that a resume runs again although they succeeded: `from` itself, every step joined by a pipe to one that is
 * run again, and all steps after those.
 *
 * @param failed the steps of which a job failed
 * @param from the step to begin with; null to begin where it failed
 */
export function stepsAgain(plan: Plan, failed: ReadonlySet<string>, from: string | null): string[] {
  const again = new Set(from === null ? [] : [from]);
  const addGroup = (name: string) => {
    const group = groupOf(plan, name);
    if (group.length > 1) for (const joined of group) again.add(joined.name);
  };
  for (const name of [...failed, ...again]) addGroup(name);
  for (const { name, needs } of plan.steps) {
    if (!needs.some((need) => again.has(need))) continue;
    again.add(name);
    addGroup(name);
  }
  return plan.steps.map(({ name }) => name).filter((name) => again.has(name));
}
