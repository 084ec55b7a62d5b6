import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job, JobChange } from '../../domain/jobs/job.js';
import type { EventName } from '../../domain/jobs/job-state.js';
import type { Outcome } from '../../domain/jobs/outcome.js';
import type { AdapterContext } from '../../drivers/adapters/adapter.js';
import type { Executor, Handle, Receipt } from '../../drivers/executors/executor.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { keepTrying } from '../keep-trying.js';
import { type AdaptContext, adapterContext } from './adapt.js';
import type { Place, Places } from './machine-places.js';

/** What running a job needs. */
export interface RunContext extends AdaptContext {
  jobs: JobService;
  executor: Executor;
  /** Gives its jobs their places; without it they run here. */
  places?: Places;
  defaultTimeout: number | null;
}

/** One attempt at one job, from its start or from where it was found after a restart. */
export interface Run {
  job: Job;
  definition: ProcessDefinition;
  handle: Handle | null;
  /** Where it runs; null while it has no place, and for a run on this machine. */
  place: Place | null;
  /** The context of its adapters. It is replaced once the place is known. */
  setting: AdapterContext;
  /** When it asked for its place, and when it got it; null for a run on this machine. */
  placing: { asked: Date; placed: Date } | null;
  /** Aborted when it is being ended, so that it no longer waits for a place. */
  unwanted: AbortController;
  /**
   * Set by the first request to end it: the first cause wins. `failed`: the machine could not be reached. `noted`: it
   * continues after a restart, and the signals may have been sent before that.
   */
  stop: { outcome: Outcome; receipt: Promise<Receipt>; failed: boolean; noted: boolean } | null;
  /** True if another attempt would end the same way. */
  permanent: boolean;
  /** Resolves when there is a handle to stop, or when there certainly will be none. */
  started: Promise<void>;
  /** Resolves `started`. */
  begun: () => void;
}

/** An attempt that has not started, or as it was found after a restart. */
export function newRun(
  files: JobFiles,
  found: Pick<Run, 'job' | 'definition'> & Partial<Pick<Run, 'handle' | 'place'>>,
): Run {
  let begun = () => {};
  const started = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const run = { handle: null, place: null, ...found };
  const setting = adapterContext(files, run);
  const unwanted = new AbortController();
  return { ...run, setting, placing: null, unwanted, stop: null, permanent: false, started, begun };
}

/** Writes an event, and retries while the database is unavailable, so that a program's end is not lost. */
export async function persist(
  context: RunContext,
  job: Job,
  name: EventName,
  change: JobChange | (() => JobChange),
  data: unknown = null,
): Promise<Job> {
  const fields = { job: job.uuid, event: name };
  return keepTrying(
    context.log,
    fields,
    async () => (await context.jobs.record(job, name, change, data)).job,
  );
}
