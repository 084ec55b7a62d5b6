import { definitionForm } from '../../usecases/definitions/definition-form.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import { actorOf, sendJsonText } from '../answers/answer.js';
import type { Door } from '../door.js';
import { answer } from '../openapi/openapi-parts.js';
import type { Routes } from '../route.js';
import { definitionKey } from './run-routes.js';

/** What a form for running a definition needs. */
export function definitionFormRoutes(options: Door & { definitions: DefinitionService }): Routes {
  return {
    name: 'process_definition',
    login: options.authenticate,
    keys: definitionKey,
    errors: ['not-found'],
    routes: {
      'GET /{id}/form/': {
        summary: 'Get what a form for running it needs',
        description:
          'A JSON Schema of its inputs, in the order in which a form shows them. `x-penstock` has hints, and `outputs` says what a run makes.',
        answers: { 200: answer('A JSON Schema', { type: 'object' }) },
        async handle(request, response) {
          const { definition } = await options.definitions.find(actorOf(response), String(request.params.id));
          // Other answers have sorted keys. Here the order is that of the form.
          sendJsonText(response, 200, JSON.stringify(definitionForm(definition)));
        },
      },
    },
  };
}
