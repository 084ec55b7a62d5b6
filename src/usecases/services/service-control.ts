import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../actor.js';
import type { JobService } from '../jobs/jobs.js';
import type { Shown } from '../resource.js';

/** The part of the worker that keeps services running. Both methods return what was signalled; undefined if it is too late. */
interface Supervisor {
  end(uuid: string, what: 'stop', by: string): Promise<object | undefined>;
  restart(uuid: string, by: string): Promise<object | undefined>;
}

/** Stops a service, or restarts its program. `show` is how the API shows a job. */
export function controlService(jobs: JobService, supervisor: Supervisor, show: (job: Job) => Promise<Shown>) {
  /** Returns what was done, and the job afterwards. */
  return async function control(actor: Actor, job: Job, what: 'stop' | 'restart'): Promise<Shown> {
    if (job.service === null) {
      throw new PenstockError(
        'not-a-service',
        what === 'stop'
          ? 'The job is not a service: it ends by itself, or you can cancel it.'
          : 'The job is not a service: to repeat it, run its definition again.',
      );
    }
    const receipt = !isUnfinished(job.state)
      ? undefined
      : what === 'stop'
        ? await supervisor.end(job.uuid, 'stop', actor.username)
        : await supervisor.restart(job.uuid, actor.username);
    const after = await jobs.get(actor, job.uuid);
    if (receipt === undefined) {
      const how = isUnfinished(after.state) ? 'is being ended' : `has ended already: it is ${after.state}`;
      throw new PenstockError('illegal-transition', `The job ${how}.`);
    }
    return { ...receipt, job: await show(after) };
  };
}

export type ControlService = ReturnType<typeof controlService>;
