import type { OperationService } from '../../usecases/operations/operations.js';
import { sendOf } from '../answers/answer.js';
import type { Door } from '../door.js';
import { answer, object, ref } from '../openapi/openapi-parts.js';
import type { Route, Routes } from '../route.js';

interface OperationRouteOptions extends Door {
  operations: OperationService;
}

const letter = object({
  id: { type: 'string' },
  content_type: { type: 'string' },
  headers: { type: 'object', additionalProperties: { type: 'string' } },
  size: { type: 'integer', description: 'Bytes of the body.' },
  body: { type: 'string', description: 'The body, if it is text.' },
  body_base64: { type: 'string', description: 'The body, if it is not.' },
});
const noStore = { 'Cache-Control': 'no-store' };

/** The routes that only operations have: start, stop and dead letters. */
export function operationRoutes({ authenticate, operations }: OperationRouteOptions): Routes {
  const change = (active: boolean, summary: string): Route => ({
    summary,
    answers: { 200: answer('The operation', ref('Operation')) },
    handle: sendOf((actor, id) => operations.setActive(actor, id, active)),
  });
  return {
    name: 'operation',
    login: authenticate,
    keys: { id: [{ type: 'integer' }, 'Which operation.'] },
    errors: ['forbidden', 'not-found'],
    routes: {
      'POST /{id}/start/': change(true, 'Start taking messages; an operation that has failed starts afresh'),
      'POST /{id}/stop/': change(false, 'Stop taking messages and end its service; messages wait'),
      'GET /{id}/dead_letters/': {
        summary: 'List its first 100 dead letters, oldest first, and keep them',
        answers: {
          200: answer(
            'The dead letters, their number, and their stream',
            object({
              stream: { type: 'string' },
              total: { type: 'integer' },
              objects: { type: 'array', items: letter },
            }),
          ),
        },
        errors: ['stream-unavailable'],
        handle: sendOf(operations.deadLetters, noStore),
      },
      'DELETE /{id}/dead_letters/': {
        id: 'dead_letters_discard',
        summary: 'Delete its dead letters',
        answers: { 200: answer('How many', object({ discarded: { type: 'integer' } })) },
        errors: ['stream-unavailable'],
        handle: sendOf(operations.discard, noStore),
      },
      'POST /{id}/dead_letters/replay/': {
        summary: 'Process its dead letters again, each once',
        answers: { 200: answer('How many', object({ replayed: { type: 'integer' } })) },
        errors: ['conflict', 'stream-full', 'stream-unavailable'],
        handle: sendOf(operations.replay),
      },
    },
  };
}
