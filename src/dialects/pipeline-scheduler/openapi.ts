import { bounds } from '../../domain/bounds.js';
import {
  answer,
  bytes,
  type Json,
  jsonContent,
  errors as ownErrors,
  parameter,
} from '../../http/openapi/openapi-parts.js';
import type { ErrorCode } from '../../lib/errors.js';
import { pipelineBody, shown, taskBody, text } from './openapi-shapes.js';

const tags = ['pipeline-scheduler'];

/** The shape of every answer. */
const envelope = (content: Json): Json => ({
  type: 'object',
  required: ['request', 'content'],
  properties: { request: { enum: ['success', 'error'] }, content },
});
const told = (description: string, content: Json): Json => answer(description, envelope(content));

/** Errors have the shape of all answers. */
const errors = (...codes: ErrorCode[]): Json =>
  Object.fromEntries(
    Object.entries(ownErrors(codes)).map(([status, one]) => [
      status,
      { ...(one as Json), content: jsonContent(envelope({})) },
    ]),
  );
const login: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins', 'bad-query'];
const asking: ErrorCode[] = [
  ...login,
  'bad-json',
  'invalid-body',
  'bad-request',
  'too-slow',
  'too-large',
  'unsupported-media-type',
];
const registering: ErrorCode[] = [...asking, 'queue-full', 'shutting-down'];

const token = parameter('token', 'query', text, 'A line of the file `tokens`; or log in.');
const ids = { type: 'array', maxItems: bounds.objects, items: text };
const list = (one: Json): Json => ({ type: 'array', items: one });
const byState = (one: Json): Json => ({
  type: 'object',
  properties: { active: list(one), queued: list(one) },
});
const idParameter = {
  ...parameter('id', 'query', ids, 'Only these; may be repeated.'),
  style: 'form',
  explode: true,
};
const flag = (name: string, description: string) =>
  parameter(name, 'query', { enum: ['0', '1'] }, description);

const call = (id: string, summary: string, responses: Json, more: Json = {}): Json => ({
  operationId: `pipeline_scheduler_${id}`,
  tags,
  summary,
  parameters: [token],
  responses,
  ...more,
});
const body = (value: Json, required = true): Json => ({
  requestBody: { required, content: jsonContent(value) },
});

const stream = (name: string): Json => ({
  parameters: [parameter('task', 'path', text, 'Which task.')],
  get: call(name, `What a task has written to its ${name}`, {
    200: { description: 'The bytes', content: bytes },
    206: { description: 'Part of them', content: bytes },
    304: { description: 'Unchanged' },
    ...errors(...login, 'not-found', 'not-ready', 'gone', 'precondition-failed', 'range-not-satisfiable'),
  }),
});

/** POST of the tasks of either version: one, or a list in which the good ones are taken. */
const registered = (one: Json): Json => ({
  200: told('What was asked for', { anyOf: [list(one), byState(one)] }),
  201: told('Registered', { anyOf: [one, list(one)] }),
  207: told('Some were registered; each other one says why it was not', list(one)),
  ...errors(...registering),
});

/** The dialect's part of the API's description: the newer version's paths, then the first one's. */
export const pipelineSchedulerPaths: Json = {
  '/': {
    get: call('start', 'Whether the scheduler is there; a browser is led to the docs', {
      200: told('It is there', text),
      302: { description: 'To /api/docs/, for whoever asks for HTML' },
      ...errors(...login),
    }),
  },
  '/tasks': {
    get: call(
      'tasks',
      'Tasks that have not ended, or those of these ids',
      { 200: told('Tasks', { anyOf: [byState(shown.task), list(shown.taskEntry)] }), ...errors(...asking) },
      { parameters: [token, idParameter], ...body(ids, false) },
    ),
    post: call('register', 'Register a task or several; or list those of these ids', registered(shown.task), {
      ...body({ anyOf: [taskBody, { ...list(taskBody), maxItems: bounds.objects }, ids] }),
    }),
  },
  '/tasks/{task}': {
    parameters: [parameter('task', 'path', text, 'Which task.')],
    get: call('task', 'One task, ended or not', {
      200: told('The task', shown.taskEntry),
      ...errors(...login, 'not-found'),
    }),
    delete: call('cancel', 'Cancel a task', {
      200: told('The task as it is now', shown.taskEntry),
      ...errors(...login, 'not-found', 'illegal-transition'),
    }),
  },
  '/tasks/{task}/stdout': stream('stdout'),
  '/tasks/{task}/stderr': stream('stderr'),
  '/servers': {
    get: call(
      'servers',
      'Servers that the scheduler has, or those of these ids',
      { 200: told('Servers', { anyOf: [byState(shown.server), list(shown.server)] }), ...errors(...asking) },
      { parameters: [token, idParameter], ...body(ids, false) },
    ),
    post: call(
      'servers_by_id',
      'Servers of these ids',
      { 200: told('Servers', { anyOf: [byState(shown.server), list(shown.server)] }), ...errors(...asking) },
      { parameters: [token, idParameter], ...body(ids, false) },
    ),
  },
  '/servers/untracked': {
    delete: call(
      'untracked',
      'Delete the servers of ours in the cloud that nobody here needs',
      {
        200: told('Their ids', ids),
        207: told('Some could not be deleted', {
          type: 'object',
          properties: { deleted: ids, failed: list({ type: 'object' }) },
        }),
        ...errors(...login, 'forbidden', 'connector-failed'),
      },
      {
        parameters: [
          token,
          flag('dry_run', 'Only list them.'),
          flag('all', 'Also those that are not ours: every server of the project that is not in the ledger.'),
        ],
      },
    ),
  },
  '/servers/{server}': {
    parameters: [parameter('server', 'path', text, 'Which server: its id or name.')],
    get: call('server', 'One server', {
      200: told('The server', shown.server),
      ...errors(...login, 'not-found'),
    }),
  },
  '/config': {
    get: call('config', 'The configuration, without secrets', {
      200: told('application.yaml, ssh.yaml and nova.yaml (or heat.yaml)', list({ type: 'object' })),
      ...errors(...login),
    }),
    put: call('reload', 'Read the configuration again, all or nothing', {
      200: told('As it is now; `needs_restart` names what waits for one', list({ type: 'object' })),
      ...errors(...login, 'forbidden', 'config-refused'),
    }),
  },
  '/pipeline': {
    get: call(
      'pipelines',
      "Tasks, as the first version's clients ask for them",
      {
        200: told('Pipelines', { anyOf: [byState(shown.pipeline), shown.pipeline, list(shown.pipeline)] }),
        ...errors(...asking, 'not-found'),
      },
      body(shown.wanted, false),
    ),
    post: call(
      'register_pipeline',
      'Register a pipeline or several',
      registered(shown.pipeline),
      body({ anyOf: [pipelineBody, { ...list(pipelineBody), maxItems: bounds.objects }] }),
    ),
    delete: call('delete_pipeline', 'Never supported', errors(...login, 'method-not-allowed')),
  },
  '/instance': {
    get: call(
      'instances',
      "Servers, as the first version's clients ask for them",
      {
        200: told('Instances', { anyOf: [byState(shown.instance), shown.instance, list(shown.instance)] }),
        ...errors(...asking, 'not-found'),
      },
      body(shown.wanted, false),
    ),
    delete: call('delete_instances', 'The same as for /servers/untracked', {
      200: told('That it is done', text),
      ...errors(...login, 'forbidden', 'connector-failed'),
    }),
  },
  '/error': {
    post: call('error', 'Never supported', errors(...login, 'method-not-allowed')),
  },
};
