import type { Response } from 'express';
import { actorOf } from '../../http/answers/answer.js';
import type { Routes } from '../../http/route.js';
import { PenstockError } from '../../lib/errors.js';
import { readValue } from './ask.js';
import { each, isOfItem } from './each.js';
import { refusal, send } from './envelope.js';
import { common, type SchedulerRouteOptions } from './routes.js';
import type { ServerView, TaskView } from './scheduler-views.js';
import {
  asking,
  body,
  byState,
  list,
  pipelineBody,
  registered,
  several,
  shown,
  text,
  told,
} from './shapes.js';
import { isIdle, showInstance, showPipeline, statusOf } from './show.js';

/** The first version's answer to requests that it never supported. */
const unsupported = (allowed: string) =>
  new PenstockError('method-not-allowed', 'unsupported operation', { headers: { Allow: allowed } });
const wrong = (text: string) => new PenstockError('invalid-body', text);

/** What the first version's clients send: nothing, an object with an id, or a list of these. */
type Asked = { all: true } | { one: string } | { many: string[] };

function askedOf(value: unknown, refusalText: string): Asked {
  if (value === null) return { all: true };
  if (typeof value !== 'object') throw wrong(refusalText);
  if (Array.isArray(value)) {
    return { many: value.flatMap((one) => (typeof one?.id === 'string' ? [one.id as string] : [])) };
  }
  const { id } = value as { id?: unknown };
  if (typeof id !== 'string') throw wrong('requires parameter id');
  return { one: id };
}

/** The first version's protocol: a task is a pipeline, a server is an instance. */
export function firstRoutes(options: SchedulerRouteOptions): Routes {
  const { tasks, views, maxBodySize } = options;
  /** Answers for both nouns: all by state, a single one, or those of a list that exist. */
  function answer<T>(
    response: Response,
    asked: Asked,
    all: readonly T[],
    kind: {
      find: (id: string) => T | undefined;
      isQueued: (one: T) => boolean;
      show: (one: T) => unknown;
      entry: (one: T) => unknown;
    },
  ): void {
    if ('all' in asked) {
      send(response, 200, 'success', {
        active: all.filter((one) => !kind.isQueued(one)).map(kind.show),
        queued: all.filter(kind.isQueued).map(kind.show),
      });
      return;
    }
    const ids = 'one' in asked ? [asked.one] : asked.many;
    const found = ids.map(kind.find).filter((one) => one !== undefined);
    if (found.length === 0)
      throw new PenstockError('not-found', 'one' in asked ? 'id not found' : 'no id found');
    send(response, 200, 'success', 'one' in asked ? kind.entry(found[0] as T) : found.map(kind.entry));
  }

  async function register(response: Response, item: unknown) {
    // The first version had only one type of task.
    const given =
      typeof item === 'object' && item !== null && !Array.isArray(item) ? { ...item, type: 'xnat' } : item;
    const job = await tasks.register(actorOf(response), given);
    return { status: 'queued', pipeline: showPipeline(await views.task(job)) };
  }
  const incomplete = (error: PenstockError) => ({ ...refusal(error), status: 'incomplete' });

  return {
    ...common(options),
    routes: {
      'GET /pipeline': {
        id: 'pipelines',
        summary: 'List tasks, for clients of the first version',
        body: body(shown.wanted, false),
        answers: {
          200: told('Pipelines', { anyOf: [byState(shown.pipeline), shown.pipeline, list(shown.pipeline)] }),
        },
        errors: [...asking, 'not-found'],
        async handle(request, response) {
          const value = await readValue(request, maxBodySize);
          const actor = actorOf(response);
          const asked = askedOf(value, 'accepts empty input or dict or list of dicts');
          const named = 'all' in asked ? [] : 'one' in asked ? [asked.one] : asked.many;
          const ones = await views.tasks(actor, named);
          const all = 'all' in asked ? await views.unfinished(actor) : [];
          answer(response, asked, all, {
            find: (id) => ones.find(({ job }) => job.uuid === id),
            isQueued: ({ active }) => !active,
            show: showPipeline,
            entry: (view: TaskView) => ({ status: statusOf(view), pipeline: showPipeline(view) }),
          });
        },
      },
      'POST /pipeline': {
        id: 'register_pipeline',
        summary: 'Register one or more pipelines',
        body: body({ anyOf: [pipelineBody, several(pipelineBody)] }),
        answers: registered(shown.pipeline),
        errors: [...asking, 'queue-full', 'shutting-down'],
        async handle(request, response) {
          const value = await readValue(request, maxBodySize);
          if (value === null) throw wrong('input is missing');
          if (typeof value !== 'object') throw wrong('accepts dict or list of dicts');
          if (!Array.isArray(value)) {
            try {
              return send(response, 201, 'success', await register(response, value));
            } catch (error) {
              if (!isOfItem(error)) throw error;
              return send(response, 400, 'error', incomplete(error));
            }
          }
          const { results, bad } = await each(value, (item) => register(response, item), incomplete);
          const status = bad === 0 ? 201 : bad === results.length ? 400 : 207;
          send(response, results.length === 0 ? 200 : status, bad === 0 ? 'success' : 'error', results);
        },
      },
      'DELETE /pipeline': {
        id: 'delete_pipeline',
        summary: 'Not supported',
        answers: {},
        errors: ['method-not-allowed'],
        handle() {
          throw unsupported('GET,POST');
        },
      },
      'GET /instance': {
        id: 'instances',
        summary: 'List servers, for clients of the first version',
        body: body(shown.wanted, false),
        answers: {
          200: told('Instances', { anyOf: [byState(shown.instance), shown.instance, list(shown.instance)] }),
        },
        errors: [...asking, 'not-found'],
        async handle(request, response) {
          const value = await readValue(request, maxBodySize);
          const asked = askedOf(value, 'accepts empty input, dict or list of dicts');
          const all = await views.servers(actorOf(response));
          answer(response, asked, all, {
            find: (id) => all.find(({ row }) => row.cloudId === id || row.name === id),
            isQueued: isIdle,
            show: showInstance,
            entry: (view: ServerView) => ({
              status: isIdle(view) ? 'queued' : 'active',
              instance: showInstance(view),
            }),
          });
        },
      },
      'DELETE /instance': {
        id: 'delete_instances',
        summary: 'The same as /servers/untracked',
        answers: { 200: told('Deleted', text) },
        errors: ['forbidden', 'connector-failed'],
        async handle(_request, response) {
          options.mayKeep(actorOf(response));
          const { failed } = await options.clear(false, false);
          if (failed.length > 0) {
            const ids = failed.map(({ id }) => id).join(', ');
            throw new PenstockError('connector-failed', `unexpected problem with api connection: ${ids}`);
          }
          send(response, 200, 'success', 'deleted all untracked vm instances');
        },
      },
      'POST /error': {
        summary: 'Not supported',
        answers: {},
        errors: ['method-not-allowed'],
        handle() {
          throw unsupported('');
        },
      },
    },
  };
}
