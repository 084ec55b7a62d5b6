import type { ErrorCode } from '../../lib/errors.js';
import { schema } from '../../lib/schemas.js';
import { answer, errors, type Json, jsonContent, parameter } from './openapi-parts.js';

const login: ErrorCode[] = ['unauthenticated', 'too-many-failed-logins', 'bad-query', 'not-found'];
const object = (properties: Json): Json => ({ type: 'object', properties });
const replayed = answer('How many wait again', object({ replayed: { type: 'integer' } }));
const key = (what: string) => [parameter('id', 'path', { type: 'integer' }, `Which ${what}.`)];

/** What subscriptions and deliveries have beyond the generic resources. */
export function subscriptionPaths(): Json {
  return {
    '/api/subscription/{id}/secret/': {
      parameters: key('subscription'),
      get: {
        operationId: 'subscription_secret',
        tags: ['subscription'],
        summary: 'The secret that signatures are checked with; for the owner',
        responses: {
          200: answer('The secret', object({ secret: { type: 'string' } })),
          ...errors(...login, 'forbidden'),
        },
      },
    },
    '/api/subscription/{id}/ping/': {
      parameters: key('subscription'),
      post: {
        operationId: 'subscription_ping',
        tags: ['subscription'],
        summary: 'Try the receiver out with one message of type `ping`',
        responses: {
          200: answer(
            'What came of it',
            object({
              accepted: { type: 'boolean' },
              status: { type: ['integer', 'null'] },
              error: { type: ['string', 'null'] },
            }),
          ),
          ...errors(...login, 'conflict'),
        },
      },
    },
    '/api/subscription/{id}/replay/': {
      parameters: key('subscription'),
      post: {
        operationId: 'subscription_replay',
        tags: ['subscription', 'delivery'],
        summary: 'Tell once more what is dead, or all',
        requestBody: {
          content: jsonContent(schema('replay') as Json),
        },
        responses: {
          200: replayed,
          ...errors(...login, 'invalid-body', 'bad-json', 'too-slow', 'too-large'),
        },
      },
    },
    '/api/delivery/{id}/replay/': {
      parameters: key('delivery'),
      post: {
        operationId: 'delivery_replay',
        tags: ['delivery'],
        summary: 'Tell it once more',
        responses: { 200: replayed, ...errors(...login, 'conflict') },
      },
    },
  };
}
