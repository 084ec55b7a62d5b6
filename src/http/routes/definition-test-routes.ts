import { Router } from 'express';
import { shuttingDown } from '../../lib/errors.js';
import type { DefinitionTestService } from '../../usecases/definitions/definition-tests.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import { actorOf, queryPairs, sendJson } from '../answers/answer.js';
import type { Door } from '../door.js';
import { checkMethod } from '../resource.js';
import { goneSignal, waitOf } from './job-routes.js';

interface DefinitionTestRouteOptions extends Door {
  definitions: DefinitionService;
  testDefinition: DefinitionTestService;
}

/** `POST …/<id>/test/`: runs the examples that a definition carries, and reports each. */
export function definitionTestRouter(options: DefinitionTestRouteOptions): Router {
  const router = Router();
  router.all('/:id/test', checkMethod(['POST']), options.authenticate, async (request, response) => {
    const actor = actorOf(response);
    const pairs = queryPairs(request);
    const names = pairs.filter(([name]) => name === 'name').map(([, value]) => value);
    const wait = waitOf(request, options.maxWait) ?? options.maxWait;
    const found = await options.definitions.find(actor, String(request.params.id));
    if (!options.accepting()) throw shuttingDown();
    const report = await options.testDefinition(actor, found, names, wait, goneSignal(response));
    sendJson(response, 200, report);
  });
  return router;
}
