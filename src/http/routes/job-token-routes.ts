import { Router } from 'express';
import { type CallbackSettings, callbackActor, callbackUrl } from '../../usecases/external-jobs/callback.js';
import type { JobEventService } from '../../usecases/external-jobs/job-events.js';
import { actorOf, originOf, sendJson } from '../answers/answer.js';
import type { Door } from '../door.js';
import { checkMethod } from '../resource.js';

interface JobTokenRouteOptions extends Door {
  jobEvents: JobEventService;
  callback: CallbackSettings;
}

/** A job's token and callback, made again for who has lost them: `POST /api/job/<uuid>/token/`. */
export function jobTokenRouter(options: JobTokenRouteOptions): Router {
  const { jobEvents, callback } = options;
  const router = Router();
  router.all('/:uuid/token', checkMethod(['POST']), options.authenticate, async (request, response) => {
    request.resume();
    const uuid = String(request.params.uuid);
    const { job, token, nonce } = await jobEvents.renewToken(
      actorOf(response),
      uuid,
      callbackActor(callback),
    );
    sendJson(response, 200, {
      uuid: job.uuid,
      token,
      callback: callbackUrl(callback, originOf(request), job, token, nonce?.text),
    });
  });
  return router;
}
