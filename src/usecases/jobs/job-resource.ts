import { isUuid } from '../../domain/external-jobs/typed-uuid.js';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse } from '../actor.js';
import type { ResourceService, Shown } from '../resource.js';
import { jobFields } from './job-fields.js';
import { logRanges } from './job-files.js';
import { shownSteps } from './job-steps.js';
import { jobUri, showJob } from './job-view.js';
import type { JobService } from './jobs.js';

/** Jobs as a resource: listed, read, and, once they have ended, deleted. */
export function jobResource(store: Store, jobs: JobService, files: JobFiles) {
  /** Names of owners: users are never renamed. */
  const names = new Map<number, string>();
  async function ownerOf(job: Job): Promise<string> {
    const known = names.get(job.ownerId);
    if (known !== undefined) return known;
    const name = (await store.users.byId(job.ownerId))?.username ?? '';
    names.set(job.ownerId, name);
    return name;
  }
  /** UUIDs of pipelines' jobs by their ids; they do not change. */
  const parents = new Map<number, string>();
  async function parentOf({ parentId }: Job): Promise<string | null> {
    if (parentId === null) return null;
    const known = parents.get(parentId) ?? (await store.jobs.byId(parentId))?.uuid;
    if (parents.size >= 1000) parents.clear();
    if (known !== undefined) parents.set(parentId, known);
    return known ?? null;
  }

  /** In a list it lacks its steps, which would have to be counted for each job, and the ranges of its logs. */
  async function present(job: Job, listed = false): Promise<Shown> {
    const isPipeline = job.plan !== null && !listed;
    return showJob(job, await ownerOf(job), {
      parent: await parentOf(job),
      uses: job.executor === 'cloud' ? await store.servers.usesFor(job.id) : [],
      steps: isPipeline ? shownSteps(job, await store.stepJobs.counts(job.id)) : null,
      logs: listed ? null : logRanges(files, job),
    });
  }

  /** Removes the jobs of a pipeline's steps with their files: a few at a time, since there may be many. */
  async function removeSteps(job: Job): Promise<void> {
    for (;;) {
      const rows = await store.stepJobs.of(job.id, 0, 100);
      if (rows.length === 0) return;
      for (const row of rows) await files.remove(row.uuid);
      await store.jobs.remove(rows.map(({ id }) => id));
      for (const row of rows) jobs.forget(row);
    }
  }

  async function find(actor: Actor, uuid: string): Promise<Job | null> {
    if (!isUuid(uuid)) return null;
    const job = await store.jobs.byUuid(uuid);
    return job !== null && mayUse(actor, job.ownerId) ? job : null;
  }

  const resource: ResourceService = {
    name: 'job',
    methods: { list: ['GET'], detail: ['GET', 'DELETE'] },
    key: 'uuid',
    fields: jobFields,
    async list(actor, query) {
      const { total, objects } = await jobs.list(actor, query);
      return { total, objects: await Promise.all(objects.map((job) => present(job, true))) };
    },
    async get(actor, uuid) {
      const job = await find(actor, uuid);
      return job === null ? null : present(job);
    },
    async apply(actor, changes) {
      for (const change of changes) {
        if (change.op !== 'delete')
          throw new PenstockError('bad-request', 'A job can only be changed by events.');
        const job = await find(actor, change.id);
        if (job === null) throw new PenstockError('not-found', `There is no job ${change.id}.`);
        change.check?.(await present(job));
        if (isUnfinished(job.state)) {
          throw new PenstockError(
            'conflict',
            `The job is ${job.state}. Cancel it first; then it can be deleted.`,
          );
        }
        if (job.parentId !== null) {
          const whole = (await parentOf(job)) ?? '';
          throw new PenstockError(
            'conflict',
            `This job is a step of the job ${whole}. Delete that job; its steps are deleted with it.`,
          );
        }
        if (job.plan !== null) await removeSteps(job);
        await files.remove(job.uuid);
        await jobs.remove(job);
      }
      return [];
    },
  };
  return {
    ...resource,
    /** One job with its `resource_uri`, as every answer about a job shows it. */
    show: async (job: Job): Promise<Shown> => ({
      ...(await present(job)),
      resource_uri: jobUri(job.uuid),
    }),
  };
}
