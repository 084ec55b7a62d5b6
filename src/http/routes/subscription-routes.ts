import { schema } from '../../lib/schemas.js';
import type { DeliveryService } from '../../usecases/subscriptions/deliveries.js';
import type { SubscriptionService } from '../../usecases/subscriptions/subscriptions.js';
import { actorOf, sendJson, sendOf } from '../answers/answer.js';
import { parseJson, readBody, textOf } from '../bodies/body.js';
import type { Door } from '../door.js';
import { answer, type Json, jsonContent, object } from '../openapi/openapi-parts.js';
import type { Routes } from '../route.js';

interface SubscriptionRouteOptions extends Door {
  subscriptions: SubscriptionService;
  deliveries: DeliveryService;
}

const replayed = { 200: answer('How many were queued again', object({ replayed: { type: 'integer' } })) };

/** The routes that only subscriptions have: their secret, a ping, and replay. */
export function subscriptionRoutes(options: SubscriptionRouteOptions): Routes {
  const { authenticate, subscriptions, deliveries } = options;
  return {
    name: 'subscription',
    login: authenticate,
    keys: { id: [{ type: 'integer' }, 'Which subscription.'] },
    errors: ['not-found'],
    routes: {
      'GET /{id}/secret/': {
        summary: 'Read the secret that signatures are checked with; only its owner may',
        answers: { 200: answer('The secret', object({ secret: { type: 'string' } })) },
        errors: ['forbidden'],
        handle: sendOf(async (actor, id) => ({ secret: await subscriptions.secret(actor, id) }), {
          'Cache-Control': 'no-store',
        }),
      },
      'POST /{id}/ping/': {
        summary: 'Send one message of type `ping` to the receiver',
        answers: {
          200: answer(
            'What the receiver answered',
            object({
              accepted: { type: 'boolean' },
              status: { type: ['integer', 'null'] },
              error: { type: ['string', 'null'] },
            }),
          ),
        },
        errors: ['conflict'],
        handle: sendOf(subscriptions.ping),
      },
      'POST /{id}/replay/': {
        tags: ['delivery'],
        summary: 'Send dead deliveries again, or all of them',
        body: () => ({ content: jsonContent(schema('replay') as Json) }),
        answers: replayed,
        errors: ['invalid-body', 'bad-json', 'too-slow', 'too-large'],
        async handle(request, response) {
          const bytes = await readBody(request, options.maxBodySize);
          const body = bytes.length === 0 ? {} : parseJson(textOf(bytes));
          const id = String(request.params.id);
          sendJson(response, 200, await deliveries.replayAll(actorOf(response), id, body));
        },
      },
    },
  };
}

/** The routes that only deliveries have. */
export const deliveryRoutes = ({
  authenticate,
  deliveries,
}: Door & { deliveries: DeliveryService }): Routes => ({
  name: 'delivery',
  login: authenticate,
  keys: { id: [{ type: 'integer' }, 'Which delivery.'] },
  errors: ['not-found'],
  routes: {
    'POST /{id}/replay/': {
      summary: 'Send it again',
      answers: replayed,
      errors: ['conflict'],
      handle: sendOf(deliveries.replay),
    },
  },
});
