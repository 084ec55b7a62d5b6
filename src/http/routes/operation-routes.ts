import { Router } from 'express';
import type { OperationService } from '../../usecases/operations/operations.js';
import { actorOf, sendJson } from '../answers/answer.js';
import type { Door } from '../door.js';
import { checkMethod } from '../resource.js';

interface OperationRouteOptions extends Door {
  operations: OperationService;
}

/** What an operation has beyond what every resource has: it is started and stopped, and has dead letters. */
export function operationRouter({ authenticate, operations }: OperationRouteOptions): Router {
  const router = Router();

  for (const [verb, active] of [
    ['start', true],
    ['stop', false],
  ] as const) {
    router.all(`/:id/${verb}`, checkMethod(['POST']), authenticate, async (request, response) => {
      request.resume();
      const id = String(request.params.id);
      sendJson(response, 200, await operations.setActive(actorOf(response), id, active));
    });
  }

  const listOrDiscard = checkMethod(['GET', 'DELETE']);
  router.all('/:id/dead_letters', listOrDiscard, authenticate, async (request, response) => {
    const [actor, id] = [actorOf(response), String(request.params.id)];
    const answer =
      request.method === 'DELETE'
        ? await operations.discard(actor, id)
        : await operations.deadLetters(actor, id);
    sendJson(response, 200, answer, { 'Cache-Control': 'no-store' });
  });

  router.all('/:id/dead_letters/replay', checkMethod(['POST']), authenticate, async (request, response) => {
    request.resume();
    sendJson(response, 200, await operations.replay(actorOf(response), String(request.params.id)));
  });
  return router;
}
