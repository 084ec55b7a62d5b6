import type { RequestHandler, Response } from 'express';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { actorOf } from '../../http/answers/answer.js';
import { sendBytes } from '../../http/answers/send-bytes.js';
import { answer, bytes } from '../../http/openapi/openapi-parts.js';
import type { Route, Routes } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { jobFile } from '../../usecases/jobs/job-files.js';
import { idsOf, isIds, readValue } from './ask.js';
import { each, isOfItem } from './each.js';
import { refusal, send } from './envelope.js';
import type { SchedulerViews, TaskView } from './scheduler-views.js';
import {
  asking,
  body,
  byState,
  envelope,
  idQuery,
  ids,
  list,
  registered,
  several,
  shown,
  taskBody,
  text,
  told,
} from './shapes.js';
import { showTask, statusOf } from './show.js';
import type { TaskService } from './tasks.js';

export interface SchedulerRouteOptions {
  login: RequestHandler;
  tasks: TaskService;
  views: SchedulerViews;
  files: JobFiles;
  maxBodySize: number;
  cancel: (actor: Actor, job: TaskView['job']) => Promise<unknown>;
  /** Whether this actor is an admin, or the account of the scheduler's tokens. */
  keeps: (actor: Actor) => boolean;
  /** Throws unless this actor may delete servers and reload the configuration. */
  mayKeep: (actor: Actor) => void;
  /** Deletes untracked servers. */
  clear: (
    all: boolean,
    dry: boolean,
  ) => Promise<{ deleted: string[]; failed: { id: string; reason: string }[] }>;
  /** The configuration as a list of maps, one per file, with secrets masked: all of it, or what every user may see. */
  config: (whole: boolean) => unknown;
  /** Reloads the configuration. Returns the keys that need a restart. Throws if it is invalid. */
  reload: () => string[];
}

/** What all of the dialect's routes have in common. */
export const common = ({ login }: SchedulerRouteOptions): Omit<Routes, 'routes'> => ({
  name: 'pipeline-scheduler',
  login,
  query: { token: [text, 'A line of the file `tokens`. You can log in instead.'] },
  keys: { task: [text, 'Which task.'], server: [text, 'Which server: its id or name.'] },
  errorSchema: envelope({}),
});

/** The newer protocol's tasks. */
export function taskRoutes(options: SchedulerRouteOptions): Routes {
  const { tasks, views, files, maxBodySize } = options;
  const taskEntry = (view: TaskView) => {
    const task = showTask(view);
    // `pipeline` is the older key.
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

  async function needTask(actor: Actor, id: unknown): Promise<TaskView> {
    const job = await tasks.find(actor, String(id));
    if (job === null) throw new PenstockError('not-found', `There is no task ${String(id).slice(0, 100)}.`);
    return views.task(job);
  }

  const stream = (name: 'stdout' | 'stderr'): Route => ({
    id: name,
    summary: `Read what a task has written to its ${name}`,
    answers: {
      200: { description: 'The bytes', content: bytes },
      206: { description: 'Part of them', content: bytes },
      304: answer('Unchanged'),
    },
    errors: ['not-found', 'not-ready', 'gone', 'precondition-failed', 'range-not-satisfiable'],
    async handle(request, response) {
      const { job } = await needTask(actorOf(response), request.params.task);
      await sendBytes(response, jobFile(files, job, name));
    },
  });

  return {
    ...common(options),
    routes: {
      'GET /tasks': {
        summary: 'List tasks that have not ended, or those with these ids',
        query: idQuery,
        body: body(ids, false),
        answers: { 200: told('Tasks', { anyOf: [byState(shown.task), list(shown.taskEntry)] }) },
        errors: asking,
        async handle(request, response) {
          await listTasks(response, await idsOf(request, maxBodySize, 'accepts empty input or list of IDs'));
        },
      },
      'POST /tasks': {
        id: 'register',
        summary: 'Register one or more tasks, or list those with these ids',
        body: body({ anyOf: [taskBody, several(taskBody), ids] }),
        answers: registered(shown.task),
        errors: [...asking, 'queue-full', 'shutting-down'],
        async handle(request, response) {
          const value = await readValue(request, maxBodySize);
          if (value === null) throw new PenstockError('invalid-body', 'input is missing');
          // The older documentation lists tasks by id with a POST.
          if (isIds(value)) return listTasks(response, value);
          if (Array.isArray(value)) return registerAll(response, value);
          if (typeof value !== 'object') {
            throw new PenstockError('invalid-body', 'accepts dict or list of dicts');
          }
          try {
            const made = await register(actorOf(response), value);
            response.setHeader('Location', `/tasks/${made.task.id}`);
            send(response, 201, 'success', made);
          } catch (error) {
            if (!isOfItem(error)) throw error;
            send(response, 400, 'error', refusal(error));
          }
        },
      },
      'GET /tasks/{task}': {
        id: 'task',
        summary: 'Read one task, ended or not',
        answers: { 200: told('The task', shown.taskEntry) },
        errors: ['not-found'],
        async handle(request, response) {
          const view = await needTask(actorOf(response), request.params.task);
          send(response, 200, 'success', taskEntry(view));
        },
      },
      'DELETE /tasks/{task}': {
        id: 'cancel',
        summary: 'Cancel a task',
        answers: { 200: told('The task', shown.taskEntry) },
        errors: ['not-found', 'illegal-transition'],
        async handle(request, response) {
          const actor = actorOf(response);
          const { job } = await needTask(actor, request.params.task);
          if (!isUnfinished(job.state)) {
            throw new PenstockError('illegal-transition', `The task has already ended: it is ${job.state}.`);
          }
          await options.cancel(actor, job);
          send(response, 200, 'success', taskEntry(await needTask(actor, job.uuid)));
        },
      },
      'GET /tasks/{task}/stdout': stream('stdout'),
      'GET /tasks/{task}/stderr': stream('stderr'),
    },
  };
}
