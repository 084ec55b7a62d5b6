import { createHash, timingSafeEqual } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { type Known, queryValue } from '../../http/answers/answer.js';
import { addressOf } from '../../http/guards/auth.js';
import { isCalledLoopback, isLoopback } from '../../http/guards/foreign-host.js';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../../usecases/actor.js';
import type { LoginService } from '../../usecases/users/logins.js';

interface SchedulerLogin {
  /** The current lines of the file `tokens`. Null or empty: there are no tokens. */
  tokens: () => readonly string[] | null;
  /** The account of requests with a token. */
  account: () => Promise<Actor>;
  /** Checks users, by Basic or by their own tokens. */
  authenticate: RequestHandler;
  /** Slows down guessing. */
  logins: Pick<LoginService, 'mayGuess' | 'wrongSecret'>;
}

/** The name under which failed logins are counted. */
const guessed = 'scheduler';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Headers in which proxies describe their client: `Via`, `X-Forwarded-…`, and names of some products. */
const proxied = /^(via|forwarded|x-forwarded-.*|x-real-ip|x-client-ip|x-original-.*|true-client-ip|cf-.*)$/;

/**
 * Whether a request comes from this machine: not through a proxy, not under a name that other machines could have (a name
 * in TRUSTED_HOSTS may be a proxy's), and not from a web page of another origin.
 */
function isHere(request: Request, { crossSite }: Known): boolean {
  const { socket, headers, httpVersion } = request;
  return (
    isLoopback(socket.remoteAddress) &&
    isLoopback(socket.localAddress) &&
    !Object.keys(headers).some((name) => proxied.test(name)) &&
    // nginx sends HTTP/1.0 and no such header if it is only told where to send requests.
    httpVersion !== '1.0' &&
    isCalledLoopback(request) &&
    !crossSite
  );
}

/**
 * Accepts a token, in `?token=` like the older scheduler or as a Bearer token, and the logins of users. If there are no
 * tokens, requests from this machine need none, as before. Everybody else needs a login.
 */
export function schedulerLogin({ tokens, account, authenticate, logins }: SchedulerLogin): RequestHandler {
  const isToken = (given: string, known: readonly string[]): boolean =>
    known.map((token) => timingSafeEqual(digest(token), digest(given))).includes(true);

  return async (request: Request, response: Response, next: NextFunction) => {
    const known = tokens() ?? [];
    const header = request.headers.authorization ?? '';
    const bearer = /^Bearer +(\S+)\s*$/i.exec(header)?.[1];
    const given = queryValue(request, 'token') ?? bearer;
    const enter = async () => {
      (response.locals as Known).actor = await account();
      next();
    };
    const isGuess = given !== undefined && known.length > 0;
    if (isGuess) {
      logins.mayGuess(guessed, addressOf(request));
      if (isToken(given, known)) return enter();
    }
    if (header !== '') {
      // A Bearer token that is not in the file may be a user's own.
      return authenticate(request, response, (error?: unknown) => {
        if (isGuess && error instanceof PenstockError && error.code === 'unauthenticated')
          logins.wrongSecret(guessed, addressOf(request));
        next(error);
      });
    }
    if (isGuess) logins.wrongSecret(guessed, addressOf(request));
    if (known.length === 0 && isHere(request, response.locals as Known)) return enter();
    const how = known.length === 0 ? 'Log in' : 'Give a token in ?token=, or log in';
    throw new PenstockError('unauthenticated', `Do I know you? ${how}.`);
  };
}
