import {
  answer,
  type Json,
  jsonContent,
  errors as ownErrors,
  parameter,
} from '../../http/openapi/openapi-parts.js';
import type { ErrorCode } from '../../lib/errors.js';
import { schema } from '../../lib/schemas.js';

const tags = ['pipeline-jobs'];
const text = { type: 'string' };
const actor = parameter('actor', 'path', text, 'Name of the manager, such as `pipelinejobs-manager`.');
const nonce = parameter('x-nonce', 'query', text, 'A nonce, for who has no login.');
const security = [{ basic: [] }, { bearer: [] }, {}];
const login: ErrorCode[] = [
  'unauthenticated',
  'nonce-unknown',
  'nonce-expired',
  'nonce-used-up',
  'nonce-too-low',
  'too-many-failed-logins',
  'not-found',
  'bad-request',
  'bad-query',
];
const envelope: Json = {
  type: 'object',
  properties: {
    status: { enum: ['success', 'error'] },
    message: text,
    version: text,
    result: {},
  },
};
/** Errors come in the envelope, too. */
const errors = (...codes: ErrorCode[]): Json =>
  Object.fromEntries(
    Object.entries(ownErrors(codes)).map(([status, told]) => [
      status,
      { ...(told as Json), content: jsonContent(envelope) },
    ]),
  );
const content = (name: string): Json => {
  const { $schema, ...rest } = schema(`pipeline-jobs/${name}`) as Json;
  return rest;
};

/** The dialect's part of the API's description. */
export function pipelineJobsPaths(): Json {
  return {
    '/actors/v2/{actor}/messages': {
      parameters: [actor],
      post: {
        operationId: 'pipeline_jobs_message',
        tags,
        security,
        summary: "Tell a job's event, create a job, or hide one",
        description:
          'With `name`, `event`, `status` or `state` in the URL the body is the data of that event; else `action` ' +
          'makes it an action, `pipeline_uuid` a new job, and everything else an event. The content type does not matter.',
        parameters: [
          nonce,
          parameter('uuid', 'query', text, 'Which job.'),
          parameter('token', 'query', text, "The job's token, or an admin token."),
          parameter('name', 'query', text, 'Name of the event; `event` means the same.'),
          parameter('status', 'query', text, "Another platform's status; `state` means the same."),
          {
            ...parameter(
              'context',
              'query',
              { type: 'object', additionalProperties: text },
              "Anything else, such as the `session` of a job's callback or what a platform adds. It is ignored.",
            ),
            style: 'form',
            explode: true,
          },
        ],
        requestBody: {
          content: jsonContent({ anyOf: ['event', 'action', 'create'].map(content) }),
        },
        responses: {
          200: answer("What it came to: the job's state before and after, and the history entry", envelope),
          201: answer('A new job, with its token and its callback', envelope),
          ...errors(
            ...login,
            'bad-json',
            'invalid-body',
            'forbidden',
            'wrong-token',
            'illegal-transition',
            'job-hidden',
            'runs-here',
            'conflict',
            'too-slow',
            'too-large',
            'unsupported-media-type',
          ),
        },
      },
    },
    '/actors/v2/{actor}/nonces': {
      parameters: [actor],
      get: {
        operationId: 'pipeline_jobs_nonces',
        tags,
        security,
        summary: 'The nonces of an actor',
        parameters: [nonce],
        responses: { 200: answer('Nonces, oldest first', envelope), ...errors(...login) },
      },
      post: {
        operationId: 'pipeline_jobs_nonce_add',
        tags,
        security,
        summary: 'Make a nonce',
        parameters: [nonce],
        requestBody: { content: jsonContent(content('nonce')) },
        responses: {
          201: answer('The nonce: `id` is what to send, and is not shown again', envelope),
          ...errors(...login, 'bad-json', 'invalid-body', 'too-slow', 'too-large', 'unsupported-media-type'),
        },
      },
    },
    '/actors/v2/{actor}/nonces/{id}': {
      parameters: [actor, parameter('id', 'path', text, 'Its name, or the whole of it.')],
      get: {
        operationId: 'pipeline_jobs_nonce',
        tags,
        security,
        summary: 'One nonce',
        parameters: [nonce],
        responses: { 200: answer('The nonce', envelope), ...errors(...login) },
      },
      delete: {
        operationId: 'pipeline_jobs_nonce_delete',
        tags,
        security,
        summary: 'Delete a nonce',
        parameters: [nonce],
        responses: { 200: answer('It is gone', envelope), ...errors(...login) },
      },
    },
  };
}
