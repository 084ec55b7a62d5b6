import { Router } from 'express';
import type { DeliveryService } from '../../usecases/subscriptions/deliveries.js';
import type { SubscriptionService } from '../../usecases/subscriptions/subscriptions.js';
import { actorOf, sendJson } from '../answers/answer.js';
import { parseJson, readBody, textOf } from '../bodies/body.js';
import type { Door } from '../door.js';
import { checkMethod } from '../resource.js';

interface SubscriptionRouteOptions extends Door {
  subscriptions: SubscriptionService;
  deliveries: DeliveryService;
}

/** What a subscription has beyond what every resource has: its secret, a try, and telling things once more. */
export function subscriptionRouter(options: SubscriptionRouteOptions): Router {
  const { authenticate, subscriptions, deliveries } = options;
  const router = Router();

  router.all('/:id/secret', checkMethod(['GET']), authenticate, async (request, response) => {
    sendJson(
      response,
      200,
      { secret: await subscriptions.secret(actorOf(response), String(request.params.id)) },
      { 'Cache-Control': 'no-store' },
    );
  });

  router.all('/:id/ping', checkMethod(['POST']), authenticate, async (request, response) => {
    request.resume();
    sendJson(response, 200, await subscriptions.ping(actorOf(response), String(request.params.id)));
  });

  router.all('/:id/replay', checkMethod(['POST']), authenticate, async (request, response) => {
    const bytes = await readBody(request, options.maxBodySize);
    const body = bytes.length === 0 ? {} : parseJson(textOf(bytes));
    sendJson(response, 200, await deliveries.replayAll(actorOf(response), String(request.params.id), body));
  });
  return router;
}

/** What a delivery has beyond what every resource has. */
export function deliveryRouter({ authenticate, deliveries }: Door & { deliveries: DeliveryService }): Router {
  const router = Router();
  router.all('/:id/replay', checkMethod(['POST']), authenticate, async (request, response) => {
    request.resume();
    sendJson(response, 200, await deliveries.replay(actorOf(response), String(request.params.id)));
  });
  return router;
}
