import { shuttingDown } from '../../lib/errors.js';
import type { DefinitionTestService } from '../../usecases/definitions/definition-tests.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import { actorOf, goneSignal, queryPairs, sendJson } from '../answers/answer.js';
import type { Door } from '../door.js';
import { answer } from '../openapi/openapi-parts.js';
import type { Routes } from '../route.js';
import { waitOf } from './job-routes.js';
import { definitionKey } from './run-routes.js';

interface DefinitionTestRouteOptions extends Door {
  definitions: DefinitionService;
  testDefinition: DefinitionTestService;
}

/** Runs the examples of a definition. */
export const definitionTestRoutes = (options: DefinitionTestRouteOptions): Routes => ({
  name: 'process_definition',
  login: options.authenticate,
  keys: definitionKey,
  errors: ['not-found'],
  routes: {
    'POST /{id}/test/': {
      summary: 'Run its examples, and report on each',
      query: {
        wait: [{ type: 'number', minimum: 0 }, 'Seconds to wait for all of them together.'],
        name: [{ type: 'string' }, 'Only run the example of this name; may be repeated.'],
      },
      answers: { 200: answer('How many passed and failed, and the result of each', { type: 'object' }) },
      errors: ['conflict', 'shutting-down'],
      async handle(request, response) {
        const actor = actorOf(response);
        const pairs = queryPairs(request);
        const names = pairs.filter(([name]) => name === 'name').map(([, value]) => value);
        const wait = waitOf(request, options.maxWait) ?? options.maxWait;
        const found = await options.definitions.find(actor, String(request.params.id));
        if (!options.accepting()) throw shuttingDown();
        const report = await options.testDefinition(actor, found, names, wait, goneSignal(response));
        sendJson(response, 200, report);
      },
    },
  },
});
