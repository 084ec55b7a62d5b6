import type { ValueSchema } from '../../lib/value-schema.js';
import type { Actor } from '../../usecases/actor.js';
import { actorOf, sendJsonText } from '../answers/answer.js';
import { answer } from '../openapi/openapi-parts.js';
import type { Route } from '../route.js';

/** What a form for running something needs. */
export const formRoute = (find: (actor: Actor, id: string) => Promise<ValueSchema>): Route => ({
  summary: 'Get what a form for running it needs',
  description:
    'A JSON Schema of its inputs, in the order in which a form shows them. `x-penstock` has hints, and `outputs` says what a run makes.',
  answers: { 200: answer('A JSON Schema', { type: 'object' }) },
  async handle(request, response) {
    const form = await find(actorOf(response), String(request.params.id));
    // Other answers have sorted keys. Here the order is that of the form.
    sendJsonText(response, 200, JSON.stringify(form));
  },
});
