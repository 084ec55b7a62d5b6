import type { Job } from '../domain/job.js';
import type { ProcessDefinition } from '../domain/process-definition.js';
import type { Receipt } from '../executors/executor.js';
import type { Store } from '../store/store.js';
import { recover } from './recover.js';
import { type ServiceLimits, Supervisor } from './supervise.js';
import { Worker, type WorkerOptions } from './worker.js';

/** Sends each job to who sees it through: services to the supervisor, what comes to an end to the worker. */
export function openScheduler(options: WorkerOptions & ServiceLimits) {
  const worker = new Worker(options);
  const supervisor = new Supervisor(options, options);
  return {
    /** Keeps services going; it tells of their starts. */
    supervisor,

    /** How many jobs wait for their turn. */
    get waiting(): number {
      return worker.waiting;
    },
    waitingOf: (ownerId: number): number => worker.waitingOf(ownerId),

    /** How many jobs are being run, services apart. */
    get active(): number {
      return worker.active;
    },

    /** Why another service cannot be started, in words; undefined if it can. */
    full: (ownerId: number, definitionId: number, concurrency: number | null): string | undefined =>
      supervisor.full(ownerId, definitionId, concurrency),

    submit(job: Job, definition: ProcessDefinition): void {
      if (job.service === null) worker.submit(job, definition);
      else supervisor.keep(job, definition);
    },

    /** After a start of ours: takes up what has not ended. */
    recover: (store: Store) => recover(store, worker, supervisor, options),

    /** From now on programs are started. */
    open(): void {
      supervisor.open();
      worker.open();
    },

    /** No program is started any more; those that run go on, and are taken up by the next start of ours. */
    close(): void {
      supervisor.close();
      worker.close();
    },

    /** Ends a job, whether it waits or runs; undefined if it has ended already. */
    cancel: (job: Job, by: string): Promise<Receipt | undefined> =>
      job.service === null ? worker.cancel(job, by) : supervisor.end(job.uuid, 'cancel', by),
  };
}
