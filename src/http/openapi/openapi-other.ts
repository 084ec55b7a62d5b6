import type { ErrorCode } from '../../lib/errors.js';
import { answer, bytes, errors, type Json, jsonContent, parameter, ref, sse } from './openapi-parts.js';
import { runPath } from './openapi-runs.js';

const page = (operationId: string, summary: string): Json => ({
  get: {
    operationId,
    security: [],
    summary,
    responses: {
      ...errors('bad-query'),
      304: { description: 'Unchanged' },
      200: { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } },
    },
  },
});

const attemptParameter = parameter(
  'attempt',
  'query',
  { type: 'integer', minimum: 1 },
  'The log of that attempt; without it that of the latest.',
);
const followParameter = parameter(
  'follow',
  'query',
  { enum: ['0', '1'] },
  'Live, as server-sent events, ending with an `end` event.',
);
const logParameters = [
  parameter(
    'as',
    'query',
    { enum: ['json'] },
    'With `follow`: the data of each event is JSON, the exact text, or `{"base64": "…"}` where it is not UTF-8.',
  ),
  parameter(
    'offset',
    'query',
    { type: 'integer' },
    'From where on, in bytes from the first that was ever written, whatever was cut away since; below 0 from the end. Whole lines are sent, and `Log-Start`, `Log-From`, `Log-To`, `Log-End` and `Log-Attempt` say where they stand.',
  ),
  parameter('length', 'query', { type: 'integer', minimum: 1 }, 'How many bytes of it, at most.'),
];
const resume = [
  parameter('Last-Event-ID', 'header', { type: 'integer' }, 'Where a stream broke off.'),
  parameter('last_event_id', 'query', { type: 'integer' }, 'The same, for clients that cannot set headers.'),
];
const logPosition = { type: 'string', pattern: '^([1-9][0-9]{0,8}[.])?[0-9]{1,15}$' };
const resumeLog = [
  parameter('Last-Event-ID', 'header', logPosition, 'Where a stream broke off.'),
  parameter('last_event_id', 'query', logPosition, 'The same, for clients that cannot set headers.'),
];
const pipelineKey = parameter('id', 'path', { type: 'string' }, 'Which pipeline: its id or UUID.');
const nameParameter = parameter(
  'name',
  'query',
  { type: 'string' },
  'Another output: what the program wrote to `${output_file.NAME}`.',
);
const definitionKey = parameter('id', 'path', { type: 'integer' }, 'Which definition.');
const jobKey = parameter('uuid', 'path', { type: 'string', format: 'uuid' }, 'Which job.');

/** What the list of jobs takes and gives beyond other lists. */
export const liveJobs = {
  parameters: [
    parameter(
      'follow',
      'query',
      { enum: ['0', '1'] },
      "Live: the events of all jobs that pass the filters, as server-sent events without an end. `state`, `last_event` and `updated` speak of the event, other filters of its job. An event's data are those of the history, with `job`, `job_uuid`, `owner`, `pipeline`, `process_definition` and `session`.",
    ),
    ...resume,
  ],
  content: sse,
};

/** What one job takes beyond other objects. */
export const waitingJob = {
  parameters: [
    parameter('wait', 'query', { type: 'number', minimum: 0 }, 'Seconds to wait for its end.'),
    parameter(
      'until',
      'query',
      { enum: ['end', 'ready'] },
      'With `wait`: `ready` waits no longer than until a service does its work.',
    ),
  ],
};

/** What there is beyond the generic resources. */
export function otherPaths(): Json {
  const login: ErrorCode[] = [
    'unauthenticated',
    'too-many-failed-logins',
    'not-found',
    'bad-request',
    'bad-query',
  ];
  const jobBytes = (name: string, live: boolean): Json => ({
    parameters: [jobKey],
    get: {
      operationId: `job_${name}`,
      tags: ['job'],
      summary: `The bytes of a job's ${name}`,
      parameters: [
        parameter('Range', 'header', { type: 'string' }, 'Part of the bytes.'),
        ...(live ? [followParameter, attemptParameter, ...logParameters, ...resumeLog] : []),
        ...(name === 'output' ? [nameParameter] : []),
      ],
      responses: {
        200: { description: 'The bytes', content: { ...bytes, ...(live ? sse : {}) } },
        206: { description: 'Part of them', content: bytes },
        304: { description: 'Unchanged' },
        ...errors(
          ...login,
          'precondition-failed',
          'not-ready',
          'gone',
          'range-not-satisfiable',
          ...(live ? (['bad-header'] as const) : []),
        ),
      },
    },
  });
  const control = (name: string, summary: string): Json => ({
    parameters: [jobKey],
    post: {
      operationId: `job_${name}`,
      tags: ['job'],
      summary,
      responses: {
        200: answer('What was signalled, and that nothing survived', ref('Receipt')),
        ...errors(...login, 'not-a-service', 'illegal-transition'),
      },
    },
  });
  return {
    '/api/process_definition/{id}/run/': runPath('process_definition', definitionKey),
    '/api/pipeline/{id}/run/': runPath('pipeline', pipelineKey),
    '/api/process_definition/{id}/test/': {
      parameters: [definitionKey],
      post: {
        operationId: 'process_definition_test',
        tags: ['process_definition'],
        summary: 'Run the examples that it carries, and report each',
        parameters: [
          parameter('wait', 'query', { type: 'number', minimum: 0 }, 'Seconds to wait for them in all.'),
          parameter('name', 'query', { type: 'string' }, 'Only the example of this name; may be repeated.'),
        ],
        responses: {
          200: answer('How many passed and failed, and each one', { type: 'object' }),
          ...errors(...login, 'conflict', 'shutting-down'),
        },
      },
    },
    '/api/process_definition/{id}/revisions/': {
      parameters: [definitionKey],
      get: {
        operationId: 'process_definition_revisions',
        tags: ['process_definition'],
        summary: 'All that it ever said',
        responses: { 200: answer('Revisions, oldest first', { type: 'object' }), ...errors(...login) },
      },
    },
    '/api/job/{uuid}/input/': jobBytes('input', false),
    '/api/job/{uuid}/output/': jobBytes('output', false),
    '/api/job/{uuid}/stdout/': jobBytes('stdout', true),
    '/api/job/{uuid}/stderr/': jobBytes('stderr', true),
    '/api/job/{uuid}/history/': {
      parameters: [jobKey],
      get: {
        operationId: 'job_history',
        tags: ['job'],
        summary: 'Its events, oldest first',
        parameters: [followParameter, ...resume],
        responses: {
          200: { description: 'The events', content: { ...jsonContent({ type: 'object' }), ...sse } },
          ...errors(...login, 'bad-header'),
        },
      },
    },
    '/api/job/{uuid}/token/': {
      parameters: [jobKey],
      post: {
        operationId: 'job_token',
        tags: ['job'],
        summary: 'A new token for its events, and a new callback; those before are good no more',
        responses: { 200: answer('`uuid`, `token`, `callback`', { type: 'object' }), ...errors(...login) },
      },
    },
    '/api/job/{uuid}/resume/': {
      parameters: [jobKey],
      post: {
        operationId: 'job_resume',
        tags: ['job', 'pipeline'],
        summary: "Begin a failed pipeline's job again where it failed",
        requestBody: {
          content: jsonContent({
            type: 'object',
            additionalProperties: false,
            properties: {
              from: { type: 'string', maxLength: 64, description: 'The step to begin with instead.' },
            },
          }),
        },
        responses: {
          202: answer('It goes on', ref('Job')),
          ...errors(
            ...login,
            'invalid-body',
            'bad-json',
            'unsupported-media-type',
            'too-slow',
            'too-large',
            'illegal-transition',
            'conflict',
            'queue-full',
            'shutting-down',
          ),
        },
      },
    },
    '/api/job/{uuid}/cancel/': {
      parameters: [jobKey],
      post: {
        operationId: 'job_cancel',
        tags: ['job'],
        summary: 'End it, with every process it started',
        responses: {
          200: answer('What was signalled, and that nothing survived', ref('Receipt')),
          ...errors(...login, 'illegal-transition', 'job-hidden'),
        },
      },
    },
    '/api/job/{uuid}/stop/': control('stop', 'End a service, which has finished then'),
    '/api/job/{uuid}/restart/': control('restart', 'End the program of a service, and start it anew at once'),
    '/api/': {
      get: {
        operationId: 'index',
        security: [],
        summary: 'All nouns',
        parameters: [parameter('fullschema', 'query', { type: 'boolean' }, 'Schemas included.')],
        responses: {
          200: answer('Where their lists and schemas are', { type: 'object' }),
          ...errors('bad-query'),
        },
      },
    },
    '/api/openapi.json': {
      get: {
        operationId: 'openapi',
        security: [],
        summary: 'This document',
        responses: { 200: answer('OpenAPI 3.1', { type: 'object' }), ...errors('bad-query') },
      },
    },
    '/api/docs/': page('docs', 'The API, to read and to try'),
    '/api/docs/errors/': page('docs_errors', 'What each error means'),
    '/healthz': {
      get: {
        operationId: 'health',
        security: [],
        summary: 'Whether the server is well',
        responses: {
          200: answer('It is', { type: 'object' }),
          503: answer('It is not', { type: 'object' }),
          ...errors('bad-query'),
        },
      },
    },
    '/metrics': {
      get: {
        operationId: 'metrics',
        security: [],
        summary: 'Numbers for Prometheus',
        responses: {
          ...errors('bad-query'),
          304: { description: 'Unchanged' },
          200: { description: 'Text format', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
  };
}
