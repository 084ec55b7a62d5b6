/** The states of a job: PipelineJobs' state machine, which every job uses. */
export const states = [
  'CREATED',
  'RUNNING',
  'FAILED',
  'FINISHED',
  'INDEXING',
  'VALIDATING',
  'VALIDATED',
  'REJECTED',
  'FINALIZED',
  'RETIRED',
  'RESET',
] as const;
export type State = (typeof states)[number];

/** Everything that can happen to a job. An event is the only thing that can change its state. */
export const events = [
  'create',
  'run',
  'update',
  'resource',
  'fail',
  'finish',
  'index',
  'indexed',
  'validate',
  'validated',
  'reject',
  'finalize',
  'retire',
  'reset',
  'ready',
] as const;
export type EventName = (typeof events)[number];

/** The one transition table: state → event → next state. Everything else is illegal. */
const transitions: Readonly<Record<State, Readonly<Partial<Record<EventName, State>>>>> = {
  CREATED: {
    create: 'CREATED',
    run: 'RUNNING',
    update: 'CREATED',
    resource: 'CREATED',
    fail: 'FAILED',
    reset: 'RESET',
  },
  RUNNING: {
    run: 'RUNNING',
    update: 'RUNNING',
    resource: 'RUNNING',
    fail: 'FAILED',
    finish: 'FINISHED',
    reset: 'RESET',
  },
  FAILED: { retire: 'RETIRED', reset: 'RESET' },
  FINISHED: {
    finish: 'FINISHED',
    index: 'INDEXING',
    indexed: 'FINISHED',
    validate: 'VALIDATING',
    retire: 'RETIRED',
    reset: 'RESET',
  },
  INDEXING: { update: 'INDEXING', fail: 'FAILED', index: 'INDEXING', indexed: 'FINISHED', reset: 'RESET' },
  VALIDATING: {
    update: 'VALIDATING',
    fail: 'FAILED',
    validated: 'VALIDATED',
    reject: 'REJECTED',
    retire: 'RETIRED',
    reset: 'RESET',
  },
  VALIDATED: {
    validate: 'VALIDATING',
    validated: 'VALIDATED',
    finalize: 'FINALIZED',
    retire: 'RETIRED',
    reset: 'RESET',
  },
  REJECTED: { retire: 'RETIRED', reset: 'RESET' },
  FINALIZED: { retire: 'RETIRED', reset: 'RESET' },
  RETIRED: { reset: 'RESET' },
  RESET: { reset: 'RESET', ready: 'CREATED' },
};

/** The state after `event` in `state`, or undefined if the event is illegal there. */
export function nextState(state: State, event: EventName): State | undefined {
  return transitions[state][event];
}

/** The events that are legal in a state, in the table's order. */
export function legalEvents(state: State): EventName[] {
  return events.filter((event) => transitions[state][event] !== undefined);
}

/** The states of jobs that have not ended: they are running or may still be started. */
export const unfinishedStates: readonly State[] = ['CREATED', 'RUNNING', 'RESET'];

export const isUnfinished = (state: State): boolean => unfinishedStates.includes(state);
