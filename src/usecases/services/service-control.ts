import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../actor.js';
import type { JobService } from '../jobs/jobs.js';
import type { Shown } from '../resource.js';

/** Who keeps services going. Both do what they are asked to, and tell what was signalled; undefined if it is too late. */
interface Supervisor {
  end(uuid: string, what: 'stop', by: string): Promise<object | undefined>;
  restart(uuid: string, by: string): Promise<object | undefined>;
}

/** Stopping a service, and starting its program anew. `show` is how the API shows a job. */
export function controlService(jobs: JobService, supervisor: Supervisor, show: (job: Job) => Promise<Shown>) {
  /** Does it, and tells what was done to that end, and the job as it is then. */
  return async function control(actor: Actor, job: Job, what: 'stop' | 'restart'): Promise<Shown> {
    if (job.service === null) {
      throw new PenstockError(
        'not-a-service',
        what === 'stop'
          ? 'The job is not a service: it ends by itself, or is cancelled.'
          : 'The job is not a service: run its definition again.',
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
