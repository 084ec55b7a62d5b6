import type { Outcome } from '../jobs/outcome.js';
import { groupOf, type Plan } from './pipeline-plan.js';

/** How far a step is. Its jobs are counted from 0; a step without `each` has one. */
export interface StepState {
  /** How many jobs it is of; null while its items are not counted. */
  total: number | null;
  /** The first one that was never made. */
  next: number;
  /** Those before `next` that are to be started nevertheless: to be run again, or left out by a crash. Ascending. */
  todo: readonly number[];
  /** How many wait or run. */
  unended: number;
  /** How many are there to be run again, and do not wait yet. */
  resting: number;
  failed: number;
  finished: number;
  /** Whether that one has ended well. */
  hasFinished(item: number): boolean;
}

export type Move =
  /** Find out how many items there are. */
  | { do: 'count'; step: string }
  /** Start these of its jobs; of a step with `joinedTo` all that are joined. */
  | { do: 'start'; step: string; items: number[] }
  /** End all that has not ended. */
  | { do: 'cancel' }
  | { do: 'finish' }
  | { do: 'fail' };

/**
 * What is to be done next for a pipeline: the whole logic of going on, of which nothing is remembered from one look
 * to the next. Nothing to do means: wait for a job to end.
 *
 * @param bound how many items of a step may be under way at once where the step does not say
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
    // Who reads from a pipe is started by who writes to it.
    if (isDone(state) || followers.has(step.name)) return [];
    // Items of the step before are taken one by one, as they come.
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

/** True when every job of the step has ended well. */
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
  // In their order, so that what was never made is all from one item on.
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

/** A program that wrote to a pipe whose reader had ended. */
export const isBrokenPipe = ({ cause, exit_code, signal }: Outcome): boolean =>
  signal === 'SIGPIPE' || (cause === 'exit' && exit_code === 128 + 13);

/**
 * The failure that the others come from: the earliest, but for those that were cancelled because of it, and those of
 * programs that only lost their reader.
 */
export function firstFailure(plan: Plan, failures: readonly Failure[]): Failure | undefined {
  const joined = new Set(plan.steps.filter(({ joinedTo }) => joinedTo !== null).map(({ name }) => name));
  const rank = ({ step, outcome }: Failure) =>
    outcome.cause === 'cancelled' ? 2 : joined.has(step) && isBrokenPipe(outcome) ? 1 : 0;
  return [...failures].sort((a, b) => rank(a) - rank(b) || a.ended.getTime() - b.ended.getTime())[0];
}

/** How a pipeline has ended whose step failed so. */
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
 * The steps that a resume runs again though they ended well: `from` itself, whoever is joined by a pipe to one that has to
 * be run again, and all that comes after those.
 *
 * @param failed the steps of which a job failed
 * @param from the step to begin with; null for where it failed
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
