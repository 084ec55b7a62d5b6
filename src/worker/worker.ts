import type { ProcessDefinition } from '../domain/definitions/process-definition.js';
import type { TypedUuids } from '../domain/external-jobs/typed-uuid.js';
import type { Job } from '../domain/jobs/job.js';
import type { Receipt } from '../drivers/executors/executor.js';
import type { Store } from '../store/store.js';
import type { LaneOptions } from './lane.js';
import { type LaneKey, type LaneSettings, Lanes, laneOf } from './lanes.js';
import { openPipelines } from './pipelines/pipelines.js';
import { recover } from './recover.js';
import { type ServiceLimits, Supervisor } from './services/supervise.js';

/** Makes machines work: sends services to the supervisor, pipelines to their runs, and all other jobs to their lanes. */
export function openWorker(
  options: LaneOptions &
    ServiceLimits & { store: Store; uuids: TypedUuids; lane: (key: LaneKey) => LaneSettings },
) {
  const lanes = new Lanes(options, options.lane);
  const supervisor = new Supervisor(options, options);
  /** Ends a job that is not a pipeline's, whether it waits or runs; undefined if it has already ended. */
  const cancel = (job: Job, by: string): Promise<Receipt | undefined> =>
    job.service === null ? lanes.cancel(job, by) : supervisor.end(job.uuid, 'cancel', by);
  const runner = {
    submit: (job: Job, definition: ProcessDefinition) =>
      lanes.of(laneOf(job, definition)).submit(job, definition),
    cancel,
  };
  const pipelines = openPipelines(options, runner);
  return {
    /** Runs pipelines, whose steps are jobs like any others. */
    pipelines,

    /** Keeps services running. */
    supervisor,

    /** How many jobs wait for their turn. */
    get waiting(): number {
      return lanes.waiting;
    },
    waitingOf: (ownerId: number): number => lanes.waitingOf(ownerId),

    /** True for a job that has had its turn: it waits for its place or runs. */
    isActive: ({ uuid }: Job): boolean => lanes.isActive(uuid),

    /** How many jobs are running, not counting services. */
    get active(): number {
      return lanes.active;
    },

    /** Why no further service can be started, in words; undefined if one can. */
    full: (ownerId: number, definitionId: number, concurrency: number | null): string | undefined =>
      supervisor.full(ownerId, definitionId, concurrency),

    submit(job: Job, definition: ProcessDefinition): void {
      if (job.service === null) runner.submit(job, definition);
      else supervisor.keep(job, definition);
    },

    /** At startup: continues unfinished jobs. */
    async recover(store: Store): Promise<void> {
      const found = await recover(store, lanes, supervisor, options);
      await pipelines.recover();
      if (found.waiting + found.running > 0) options.log.info(found, 'jobs recovered after restart');
    },

    /** From now on programs are started. */
    open(): void {
      supervisor.open();
      lanes.open();
    },

    /** Call it when limits may have changed. */
    look: (): void => lanes.look(),

    /** Starts no more programs; running ones go on, and the next start of Penstock finds them. */
    close(): void {
      supervisor.close();
      lanes.close();
      pipelines.close();
    },

    /** Ends a job, a pipeline's with all its steps; undefined if it has ended already. */
    cancel: pipelines.cancelAny,
  };
}
