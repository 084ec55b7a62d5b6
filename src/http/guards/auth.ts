import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { StrategyCreated } from 'passport';
import passport from 'passport';
import { BasicStrategy } from 'passport-http';
import { PenstockError } from '../../lib/errors.js';
import type { Actor } from '../../usecases/actor.js';
import type { LoginService } from '../../usecases/users/logins.js';
import type { Known } from '../answers/answer.js';

type Verify = (
  request: Request,
  username: string,
  password: string,
  done: (error: unknown, actor?: Actor | false) => void,
) => void;

/** What a 401 asks for, letter for letter as of old. */
export const challenge = 'Basic Realm="django-tastypie"';

const unauthenticated = (detail: string) => new PenstockError('unauthenticated', detail);

/**
 * passport-http's strategy, but for how it reads the header: it cuts a password at its first colon and takes any
 * scheme with `Basic` in it.
 */
class WholeBasicStrategy extends BasicStrategy {
  readonly verify: Verify;

  constructor(verify: Verify) {
    super({ passReqToCallback: true, realm: 'django-tastypie' }, verify as never);
    this.verify = verify;
  }

  override authenticate(request: Request): void {
    // Passport gives each request a copy of the strategy with these actions.
    const outcome = this as unknown as StrategyCreated<unknown>;
    const [, encoded = ''] = /^Basic +([^\s]+)\s*$/i.exec(request.headers.authorization ?? '') ?? [];
    const credentials = Buffer.from(encoded, 'base64').toString();
    const colon = credentials.indexOf(':');
    if (colon < 1 || colon === credentials.length - 1) {
      outcome.fail(challenge);
      return;
    }
    this.verify(request, credentials.slice(0, colon), credentials.slice(colon + 1), (error, actor) => {
      if (error) outcome.error(error);
      else if (actor) outcome.success(actor);
      else outcome.fail(challenge);
    });
  }
}

export const addressOf = (request: Request) => request.ip ?? request.socket.remoteAddress ?? '';

/**
 * Checks the login of a request: Basic through passport-http, or a Bearer token of ours. What it finds is in
 * `response.locals.actor`.
 */
export function authenticate(logins: LoginService): RequestHandler {
  const strategy = new WholeBasicStrategy((request, username, password, done) => {
    logins.byPassword(username, password, addressOf(request)).then(
      (actor) => done(null, actor ?? false),
      (error: unknown) => done(error),
    );
  });
  const authenticator = new passport.Passport();
  authenticator.use(strategy);

  return (request: Request, response: Response, next: NextFunction) => {
    const succeed = (actor: Actor) => {
      (response.locals as Known).actor = actor;
      next();
    };
    const header = request.headers.authorization ?? '';
    const [, token] = /^Bearer +([^\s]+)\s*$/i.exec(header) ?? [];
    if (token !== undefined) {
      logins.byToken(token, addressOf(request)).then((actor) => {
        if (actor === null) next(unauthenticated('This token is not valid, or not any more.'));
        else succeed(actor);
      }, next);
      return;
    }
    const check = authenticator.authenticate(
      'basic',
      { session: false },
      (error: unknown, actor: Actor | false | undefined) => {
        if (error) next(error);
        else if (actor) succeed(actor);
        else {
          next(
            unauthenticated(
              header === ''
                ? 'Log in with a user name and password (Basic) or a token (Bearer).'
                : 'This login is not right.',
            ),
          );
        }
      },
    ) as RequestHandler;
    check(request, response, next);
  };
}

/** A job is what the node's login may end, too. */
const cancelling = /^\/api\/job\/[^/]+\/cancel\/?$/;

/**
 * The same for all that is not the processing node: there its own login, which stands in a file and may be changed by
 * whoever has it, makes and changes nothing that would outlast it.
 */
export function authenticatePeople(authenticated: RequestHandler): RequestHandler {
  return (request, response, next) => {
    authenticated(request, response, (error?: unknown) => {
      const reads = ['GET', 'HEAD'].includes(request.method);
      const allowed = reads || cancelling.test(`${request.baseUrl}${request.path}`);
      if (error !== undefined || allowed || (response.locals as Known).actor.node !== true) next(error);
      else {
        next(
          new PenstockError(
            'forbidden',
            "The processing node's own login reads jobs and cancels them; all else takes a user's login.",
          ),
        );
      }
    });
  };
}
