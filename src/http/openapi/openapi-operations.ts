import type { ErrorCode } from '../../lib/errors.js';
import { answer, errors, type Json, parameter, ref } from './openapi-parts.js';

const login: ErrorCode[] = [
  'unauthenticated',
  'too-many-failed-logins',
  'bad-query',
  'forbidden',
  'not-found',
];
const key = [parameter('id', 'path', { type: 'integer' }, 'Which operation.')];
const letter: Json = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    content_type: { type: 'string' },
    headers: { type: 'object', additionalProperties: { type: 'string' } },
    size: { type: 'integer', description: 'Bytes of the body.' },
    body: { type: 'string', description: 'The body, if it is text.' },
    body_base64: { type: 'string', description: 'The body, if it is not.' },
  },
};

/** What operations have beyond the generic resource. */
export function operationPaths(): Json {
  const post = (verb: string, summary: string): Json => ({
    parameters: key,
    post: {
      operationId: `operation_${verb}`,
      tags: ['operation'],
      summary,
      responses: { 200: answer('The operation', ref('Operation')), ...errors(...login) },
    },
  });
  return {
    '/api/operation/{id}/start/': post('start', 'Take messages; one that fails is begun anew'),
    '/api/operation/{id}/stop/': post('stop', 'Take no messages, and end its service; messages wait'),
    '/api/operation/{id}/dead_letters/': {
      parameters: key,
      get: {
        operationId: 'operation_dead_letters',
        tags: ['operation'],
        summary: 'The first 100 messages that have no result, the oldest first; they stay',
        responses: {
          200: answer('The dead letters, how many there are, and on which stream', {
            type: 'object',
            properties: {
              stream: { type: 'string' },
              total: { type: 'integer' },
              objects: { type: 'array', items: letter },
            },
          }),
          ...errors(...login, 'stream-unavailable'),
        },
      },
      delete: {
        operationId: 'operation_dead_letters_discard',
        tags: ['operation'],
        summary: 'Throw its dead letters away',
        responses: {
          200: answer('How many', { type: 'object', properties: { discarded: { type: 'integer' } } }),
          ...errors(...login, 'stream-unavailable'),
        },
      },
    },
    '/api/operation/{id}/dead_letters/replay/': {
      parameters: key,
      post: {
        operationId: 'operation_dead_letters_replay',
        tags: ['operation'],
        summary: 'Give its dead letters to it once more, each once',
        responses: {
          200: answer('How many', { type: 'object', properties: { replayed: { type: 'integer' } } }),
          ...errors(...login, 'conflict', 'stream-full', 'stream-unavailable'),
        },
      },
    },
  };
}
