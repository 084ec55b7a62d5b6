import { isUnfinished } from '../../domain/jobs/job-state.js';
import { addressOf } from '../../usecases/servers/server-fields.js';
import type { ServerView, TaskView } from './scheduler-views.js';

/** Seconds since 1970. */
const seconds = (date: Date): number => date.getTime() / 1000;

/** The status of a task in the older scheduler's words. A task that has ended has its job's state. */
export const statusOf = ({ job, active }: TaskView): string =>
  isUnfinished(job.state) ? (active ? 'active' : 'queued') : job.state.toLowerCase();

/** A task with its original keys in their order, followed by newer ones. */
export function showTask(view: TaskView) {
  const { job, server } = view;
  const { script, ...shown } = job.task?.shown ?? {};
  return {
    ...shown,
    id: job.uuid,
    timestamp: seconds(job.created),
    type: job.task?.type ?? 'process',
    ...(script === undefined ? {} : { script }),
    state: job.state,
    exit_code: job.outcome?.exit_code ?? null,
    reason: job.outcome?.reason ?? job.waiting,
    server,
    job: `/api/job/${job.uuid}/`,
  };
}

/** A task as a "pipeline", which is what the first version called it. */
export function showPipeline({ job }: TaskView) {
  const { script = null, ...shown } = job.task?.shown ?? {};
  return { ...shown, script, id: job.uuid, timestamp: seconds(job.created), state: job.state };
}

export const isIdle = ({ row }: ServerView): boolean => row.state === 'idle';

/** The names and the address of a server. Only those who manage servers see the address. */
const whereabouts = ({ row, located }: ServerView) => ({
  id: (located ? row.cloudId : null) ?? row.name,
  name: row.name,
  ip: located ? addressOf(row) : null,
});

export function showServer(view: ServerView) {
  const { row, left, task } = view;
  return {
    ...whereabouts(view),
    ttl: left,
    timestamp: seconds(row.created),
    state: row.state,
    application: row.application,
    task,
    reason: row.reason,
  };
}

/** A server as an "instance", which is what the first version called it. */
export function showInstance(view: ServerView) {
  const { row, left, task } = view;
  return {
    ...whereabouts(view),
    timeToLive: left,
    associatedPipeline: task,
    timestamp: seconds(row.created),
  };
}
