import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job, JobChange } from '../../domain/jobs/job.js';
import { type EventName, isUnfinished } from '../../domain/jobs/job-state.js';
import { newServiceState, type ServiceRules, type ServiceState } from '../../domain/services/service.js';
import type { Receipt } from '../../drivers/executors/executor.js';
import { persist, type Run, type RunContext } from '../attempt/run.js';

/** Everything known about a service that is kept running. */
export interface Supervised {
  job: Job;
  readonly definition: ProcessDefinition;
  readonly rules: ServiceRules;
  /** Its state. It is changed here first, then stored: each event stores all of it. */
  state: ServiceState;
  /** The start that is up, or about to be; null in between. */
  run: Run | null;
  /** Its own end is being stored: it accepts no more requests. */
  ending: boolean;
  /** What was signalled to end a start on request. */
  receipt: Receipt | null;
  /** Resolves when there will be no further start. */
  over: Promise<void>;
  /** Ends the wait for the next start, if there is one. */
  wake: () => void;
  /** Called with the number of each start that is up or has ended; infinity when there will be no other. */
  readonly heard: Set<(attempt: number) => void>;
}

/** The record of a service's job that is kept running. */
export function supervised(job: Job, definition: ProcessDefinition, rules: ServiceRules): Supervised {
  return {
    job,
    definition,
    rules,
    state: (job.service as ServiceState | null) ?? newServiceState(job.created),
    run: null,
    ending: false,
    receipt: null,
    over: Promise.resolve(),
    wake: () => {},
    heard: new Set(),
  };
}

/** True if it must end for good. */
export const isFinal = ({ state, job }: Supervised): boolean =>
  (state.asked !== null && state.asked.what !== 'restart') || !isUnfinished(job.state);

/** Tells the listeners that a start is up or has ended. */
export function ring({ heard }: Supervised, attempt: number): void {
  for (const hear of [...heard]) hear(attempt);
}

/** Stores an event of a service, with its current state. */
export async function tell(
  context: RunContext,
  one: Supervised,
  event: EventName,
  change: JobChange,
  data: unknown,
): Promise<void> {
  const job = await persist(context, one.job, event, () => ({ ...change, service: one.state }), data);
  if (job.revision > one.job.revision) one.job = job;
}
