import { type RequestHandler, type Response, Router } from 'express';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { actorOf, queryValue } from '../../http/answers/answer.js';
import { sendBytes } from '../../http/answers/send-bytes.js';
import { checkDescribed } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { jobFile } from '../../usecases/jobs/job-files.js';
import { idsOf, isIds, readValue } from './ask.js';
import { each, isOfItem } from './each.js';
import { refusal, send } from './envelope.js';
import type { SchedulerViews, ServerView, TaskView } from './scheduler-views.js';
import { isIdle, showServer, showTask, statusOf } from './show.js';
import type { TaskService } from './tasks.js';

export interface SchedulerRouteOptions {
  login: RequestHandler;
  tasks: TaskService;
  views: SchedulerViews;
  files: JobFiles;
  maxBodySize: number;
  cancel: (actor: Actor, job: TaskView['job']) => Promise<unknown>;
  /** Whether this one keeps the installation: an admin, or whom the scheduler's tokens stand for. */
  keeps: (actor: Actor) => boolean;
  /** Throws unless this one may delete servers and change the configuration. */
  mayKeep: (actor: Actor) => void;
  /** Deletes servers that nobody here needs. */
  clear: (
    all: boolean,
    dry: boolean,
  ) => Promise<{ deleted: string[]; failed: { id: string; reason: string }[] }>;
  /** The configuration, as a list of maps by file, secrets masked; the whole of it, or what concerns everybody's tasks. */
  config: (whole: boolean) => unknown;
  /** Reads it again; gives the keys that need a restart. Throws what is wrong with it. */
  reload: () => string[];
}

const flag = (text: string | undefined): boolean => text !== undefined && !['0', 'false', ''].includes(text);

/** The newer protocol: tasks, servers, configuration. */
export function schedulerRouter(options: SchedulerRouteOptions): Router {
  const { tasks, views, files, maxBodySize } = options;
  const router = Router();
  const taskEntry = (view: TaskView) => {
    const task = showTask(view);
    // The older key beside the right one.
    return { status: statusOf(view), task, pipeline: task };
  };

  async function listTasks(response: Response, ids: readonly string[] | null): Promise<void> {
    const actor = actorOf(response);
    if (ids !== null) return send(response, 200, 'success', (await views.tasks(actor, ids)).map(taskEntry));
    const all = await views.unfinished(actor);
    send(response, 200, 'success', {
      active: all.filter(({ active }) => active).map(showTask),
      queued: all.filter(({ active }) => !active).map(showTask),
    });
  }

  async function register(actor: Actor, item: unknown) {
    const job = await tasks.register(actor, item);
    return { status: 'queued', task: showTask(await views.task(job)) };
  }

  async function registerAll(response: Response, items: readonly unknown[]): Promise<void> {
    const { results, bad } = await each(items, (item) => register(actorOf(response), item), refusal);
    const status = bad === 0 ? 201 : bad === items.length ? 400 : 207;
    send(response, items.length === 0 ? 200 : status, bad === 0 ? 'success' : 'error', results);
  }

  router.all('/tasks', checkDescribed(['GET', 'POST']), options.login, async (request, response) => {
    if (request.method !== 'POST') {
      const ids = await idsOf(request, maxBodySize, 'accepts empty input or list of IDs');
      return listTasks(response, ids);
    }
    const value = await readValue(request, maxBodySize);
    if (value === null) throw new PenstockError('invalid-body', 'input is missing');
    // The documented way to list tasks by their ids is a POST.
    if (isIds(value)) return listTasks(response, value);
    if (Array.isArray(value)) return registerAll(response, value);
    if (typeof value !== 'object') throw new PenstockError('invalid-body', 'accepts dict or list of dicts');
    try {
      const registered = await register(actorOf(response), value);
      response.setHeader('Location', `/tasks/${registered.task.id}`);
      send(response, 201, 'success', registered);
    } catch (error) {
      if (!isOfItem(error)) throw error;
      send(response, 400, 'error', refusal(error));
    }
  });

  async function needTask(actor: Actor, id: string): Promise<TaskView> {
    const job = await tasks.find(actor, id);
    if (job === null) throw new PenstockError('not-found', `There is no task ${id.slice(0, 100)}.`);
    return views.task(job);
  }

  router.all('/tasks/:id', checkDescribed(['GET', 'DELETE']), options.login, async (request, response) => {
    const actor = actorOf(response);
    const view = await needTask(actor, String(request.params.id));
    if (request.method === 'DELETE') {
      if (!isUnfinished(view.job.state)) {
        throw new PenstockError('illegal-transition', `The task has ended already: it is ${view.job.state}.`);
      }
      await options.cancel(actor, view.job);
    }
    send(response, 200, 'success', taskEntry(await needTask(actor, view.job.uuid)));
  });

  router.all(
    '/tasks/:id/:stream',
    checkDescribed(['GET']),
    options.login,
    async (request, response, next) => {
      const { id, stream } = request.params;
      if (stream !== 'stdout' && stream !== 'stderr') return next();
      const { job } = await needTask(actorOf(response), String(id));
      await sendBytes(response, jobFile(files, job, stream));
    },
  );

  const serverEntry = (view: ServerView) => ({
    status: isIdle(view) ? 'queued' : 'active',
    server: showServer(view),
  });
  const isCalled =
    (id: string) =>
    ({ row }: ServerView) =>
      row.cloudId === id || row.name === id || String(row.id) === id;

  router.all('/servers', checkDescribed(['GET', 'POST']), options.login, async (request, response) => {
    const ids = await idsOf(request, maxBodySize, 'accepts empty input, or list of IDs');
    const all = await views.servers(actorOf(response));
    if (ids !== null) {
      const found = ids.flatMap((id) => all.filter(isCalled(id)));
      return send(response, 200, 'success', found.map(serverEntry));
    }
    send(response, 200, 'success', {
      active: all.filter((view) => !isIdle(view)).map(showServer),
      queued: all.filter(isIdle).map(showServer),
    });
  });

  router.all('/servers/untracked', checkDescribed(['DELETE']), options.login, async (request, response) => {
    options.mayKeep(actorOf(response));
    const { deleted, failed } = await options.clear(
      flag(queryValue(request, 'all')),
      flag(queryValue(request, 'dry_run')),
    );
    if (failed.length === 0) return send(response, 200, 'success', deleted);
    send(response, 207, 'error', { deleted, failed });
  });

  router.all('/servers/:id', checkDescribed(['GET']), options.login, async (request, response) => {
    const id = String(request.params.id);
    const found = (await views.servers(actorOf(response))).find(isCalled(id));
    if (found === undefined) throw new PenstockError('not-found', `There is no server ${id.slice(0, 100)}.`);
    send(response, 200, 'success', serverEntry(found));
  });

  router.all('/config', checkDescribed(['GET', 'PUT']), options.login, (request, response) => {
    const whole = options.keeps(actorOf(response));
    if (request.method !== 'PUT') return send(response, 200, 'success', options.config(whole));
    options.mayKeep(actorOf(response));
    const restart = options.reload();
    const more = restart.length > 0 ? { needs_restart: restart } : {};
    send(response, 200, 'success', options.config(whole), more);
  });
  return router;
}
