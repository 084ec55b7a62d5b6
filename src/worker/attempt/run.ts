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

/** What running a job needs of the house. */
export interface RunContext extends AdaptContext {
  jobs: JobService;
  executor: Executor;
  /** Who gives its jobs their places; without it they run here. */
  places?: Places;
  defaultTimeout: number | null;
}

/** One attempt at one job, from its start or from where a restart found it. */
export interface Run {
  job: Job;
  definition: ProcessDefinition;
  handle: Handle | null;
  /** Where it runs, besides this machine; null while it has no place, and for what runs here. */
  place: Place | null;
  /** What its adapters are told. It is made again once the place is known. */
  setting: AdapterContext;
  /** When it asked for its place, and when it had it; null for what runs here. */
  placing: { asked: Date; placed: Date } | null;
  /** Aborted when it is to be ended: it need not wait for a place any more. */
  unwanted: AbortController;
  /**
   * Set by the first who wants it ended: the first cause wins. `failed`: what runs there could not be reached. `noted`: it
   * goes on after a restart of ours, and the signals were perhaps sent before that.
   */
  stop: { outcome: Outcome; receipt: Promise<Receipt>; failed: boolean; noted: boolean } | null;
  /** True if another attempt would end the same way. */
  permanent: boolean;
  /** Resolves when there is a handle to stop, or it is certain that there will be none. */
  started: Promise<void>;
  /** Says so. */
  begun: () => void;
}

/** An attempt that nothing was done for yet, or as a restart found it. */
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

/** Writes an event, and goes on trying while the database is out of order: a program's end is not lost for that. */
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
