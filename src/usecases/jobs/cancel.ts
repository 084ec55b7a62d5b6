import { externalExecutor, type Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../actor.js';
import type { Shown } from '../resource.js';
import type { JobService } from './jobs.js';

/** Ends a job of one kind; undefined if it has ended already. */
type End<T> = (job: Job, by: string) => Promise<T | undefined>;

/** Ending a job before its time, wherever it runs. `show` is how the API shows a job. */
export function cancelService<T extends object>(given: {
  jobs: JobService;
  here: End<T>;
  external: End<T>;
  show: (job: Job) => Promise<Shown>;
}) {
  /** Ends it with everything it started. Returns what was done, and the job afterwards. */
  return async function cancel(actor: Actor, job: Job): Promise<Shown> {
    const end = job.executor === externalExecutor ? given.external : given.here;
    const receipt = isUnfinished(job.state) ? await end(job, actor.username) : undefined;
    const after = await given.jobs.get(actor, job.uuid);
    if (receipt === undefined) {
      throw new PenstockError('illegal-transition', `The job has ended already: it is ${after.state}.`);
    }
    return { ...receipt, job: await given.show(after) };
  };
}
