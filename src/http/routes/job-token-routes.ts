import { type CallbackSettings, callbackActor, callbackUrl } from '../../usecases/external-jobs/callback.js';
import type { JobEventService } from '../../usecases/external-jobs/job-events.js';
import { actorOf, originOf, sendJson } from '../answers/answer.js';
import type { Door } from '../door.js';
import { answer } from '../openapi/openapi-parts.js';
import type { Routes } from '../route.js';
import { jobKey } from './job-routes.js';

interface JobTokenRouteOptions extends Door {
  jobEvents: JobEventService;
  callback: CallbackSettings;
}

/** Makes a new token and callback for a job. */
export const jobTokenRoutes = ({ authenticate, jobEvents, callback }: JobTokenRouteOptions): Routes => ({
  name: 'job',
  login: authenticate,
  keys: jobKey,
  errors: ['not-found'],
  routes: {
    'POST /{uuid}/token/': {
      summary: 'Create a new token and callback for its events; the old ones stop working',
      answers: { 200: answer('`uuid`, `token`, `callback`', { type: 'object' }) },
      async handle(request, response) {
        request.resume();
        const uuid = String(request.params.uuid);
        const own = callbackActor(callback);
        const { job, token, nonce } = await jobEvents.renewToken(actorOf(response), uuid, own);
        sendJson(response, 200, {
          uuid: job.uuid,
          token,
          callback: callbackUrl(callback, originOf(request), job, token, nonce?.text),
        });
      },
    },
  },
});
