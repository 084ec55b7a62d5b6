import { isUuid } from '../../domain/external-jobs/typed-uuid.js';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { pacer } from '../../lib/pace.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../../usecases/actor.js';
import type { ApplicationService } from '../../usecases/servers/applications.js';
import type { TaskService } from './tasks.js';

/** A task: its job, and what belongs to it. */
export interface TaskView {
  job: Job;
  /** Whether it is out of the queue: it waits for its server, or runs. */
  active: boolean;
  /** The name of its current or last server. */
  server: string | null;
}

/** A server that exists. */
export interface ServerView {
  row: ServerRow;
  /** Whether to show its address, and its id in the cloud. */
  located: boolean;
  /** How many more jobs it may run. */
  left: number;
  /** The task that it runs. Null if there is none, or if it is somebody else's. */
  task: string | null;
}

/** What the scheduler's protocol shows: the current tasks and servers. */
export function schedulerViews(given: {
  store: Store;
  tasks: TaskService;
  applications: ApplicationService;
  isActive: (job: Job) => boolean;
  /** Whether this actor manages the servers, and may see their addresses. */
  keeps: (actor: Actor) => boolean;
}) {
  const { store, tasks, applications, isActive } = given;

  async function viewOf(job: Job): Promise<TaskView> {
    const uses = await store.servers.usesFor(job.id);
    return {
      job,
      active: isUnfinished(job.state) && isActive(job),
      server: uses.at(-1)?.server.name ?? null,
    };
  }

  return {
    task: viewOf,

    /** The tasks that have not ended, oldest first. */
    async unfinished(actor: Actor): Promise<TaskView[]> {
      const jobs = await tasks.unfinished(actor);
      const uses = new Map((await store.servers.openUses()).map((use) => [use.jobId, use.server.name]));
      return jobs.map((job) => ({ job, active: isActive(job), server: uses.get(job.id) ?? null }));
    },

    /** Those of these tasks that exist, in the requested order. */
    async tasks(actor: Actor, ids: readonly string[]): Promise<TaskView[]> {
      const views: TaskView[] = [];
      const pace = pacer();
      for (const id of ids.filter(isUuid)) {
        await pace();
        const job = await tasks.find(actor, id);
        if (job !== null) views.push(await viewOf(job));
      }
      return views;
    },

    /** The servers that run jobs or will run some: all except those being deleted. */
    async servers(actor: Actor): Promise<ServerView[]> {
      const rows = await store.servers.held();
      const uses = await store.servers.openUses();
      return rows
        .filter(({ state }) => state !== 'deleting' && state !== 'error')
        .map((row) => {
          const job = uses.find(({ serverId }) => serverId === row.id)?.job;
          const named = job !== undefined && (actor.admin || job.ownerId === actor.id);
          const most = applications.named(row.application)?.policy.uses ?? row.uses;
          return {
            row,
            located: given.keeps(actor),
            left: Math.max(0, most - row.uses),
            task: named ? job.uuid : null,
          };
        });
    },
  };
}

export type SchedulerViews = ReturnType<typeof schedulerViews>;
