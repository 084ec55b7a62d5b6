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

/** The challenge of a 401, byte for byte that of the older registry. */
export const challenge = 'Basic Realm="django-tastypie"';

const unauthenticated = (detail: string) => new PenstockError('unauthenticated', detail);

/**
 * passport-http's strategy with another way of reading the header: the original cuts a password at its first colon, and
 * accepts any scheme that contains `Basic`.
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
 * Checks the login of a request: Basic through passport-http, or a Bearer token. Sets `response.locals.actor`.
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
        if (actor === null) next(unauthenticated('The token is invalid or has expired.'));
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
                : 'The login is wrong. Check the user name and password.',
            ),
          );
        }
      },
    ) as RequestHandler;
    check(request, response, next);
  };
}

/** The node's login may also cancel jobs. */
const cancelling = /^\/api\/job\/[^/]+\/cancel\/?$/;

/**
 * The same for everything but the processing node. The node's own login is in a file, and whoever has it can replace it,
 * so here it may not create or change anything that would outlast it.
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
            "The processing node's own login may only read and cancel jobs. Log in as a user for anything else.",
          ),
        );
      }
    });
  };
}
