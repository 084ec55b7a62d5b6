import { createHash, timingSafeEqual } from 'node:crypto';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { type Known, queryValue } from '../../http/answers/answer.js';
import { addressOf } from '../../http/guards/auth.js';
import { isCalledLoopback, isLoopback } from '../../http/guards/foreign-host.js';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../../usecases/actor.js';
import type { LoginService } from '../../usecases/users/logins.js';

interface SchedulerLogin {
  /** Lines of the file `tokens`, as it is now; null or none: there are no tokens. */
  tokens: () => readonly string[] | null;
  /** Whom a token stands for. */
  account: () => Promise<Actor>;
  /** Users, by Basic or by a token of their own. */
  authenticate: RequestHandler;
  /** Slows down who guesses. */
  logins: Pick<LoginService, 'mayGuess' | 'wrongSecret'>;
}

/** What failures are counted by. */
const guessed = 'scheduler';

const digest = (text: string) => createHash('sha256').update(text).digest();

/** What proxies say of whom they ask for: of `Via` and `X-Forwarded-…` and the names that some have of their own. */
const proxied = /^(via|forwarded|x-forwarded-.*|x-real-ip|x-client-ip|x-original-.*|true-client-ip|cf-.*)$/;

/**
 * True for who asks from this machine, by no proxy, under no name that can be had elsewhere (one of TRUSTED_HOSTS may well
 * be a proxy's), and not for a web page of another origin.
 */
function isHere(request: Request, { crossSite }: Known): boolean {
  const { socket, headers, httpVersion } = request;
  return (
    isLoopback(socket.remoteAddress) &&
    isLoopback(socket.localAddress) &&
    !Object.keys(headers).some((name) => proxied.test(name)) &&
    // So nginx asks that was told nothing but where to.
    httpVersion !== '1.0' &&
    isCalledLoopback(request) &&
    !crossSite
  );
}

/**
 * Lets in who has a token, in `?token=` as of old or as a Bearer, and users with their login. Where there are no tokens,
 * whoever is on this machine needs none, as it always was; nobody else is let in without a login.
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
      // A Bearer that is none of ours may well be a user's own.
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
