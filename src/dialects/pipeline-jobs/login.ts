import type { Request, RequestHandler, Response } from 'express';
import { type Known, queryPairs } from '../../http/answers/answer.js';
import { addressOf } from '../../http/guards/auth.js';
import type { Sender } from '../../usecases/external-jobs/job-events.js';
import type { Level, NonceService } from '../../usecases/external-jobs/nonces.js';

type Local = Known & { sender: Sender };
export const senderOf = (response: Response): Sender => (response.locals as Local).sender;

export const actorName = (request: Request) => String(request.params.actor);

/** Requires a login or, without an `Authorization` header, a nonce of this level. */
export const identify =
  (
    { authenticate, nonces }: { authenticate: RequestHandler; nonces: NonceService },
    level: Level,
  ): RequestHandler =>
  (request, response, next) => {
    const pairs = queryPairs(request);
    const nonce = pairs.findLast(([key]) => key === 'x-nonce')?.[1] ?? request.get('x-nonce');
    const locals = response.locals as Local;
    if (request.headers.authorization !== undefined || nonce === undefined) {
      authenticate(request, response, (error?: unknown) => {
        if (error === undefined) locals.sender = { actor: locals.actor, login: true, jobId: null };
        next(error);
      });
      return;
    }
    nonces.redeem(actorName(request), nonce, level, addressOf(request)).then(({ actor, jobId }) => {
      locals.actor = actor;
      locals.sender = { actor, login: false, jobId };
      next();
    }, next);
  };
