import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import { type ErrorCode, PenstockError } from '../lib/errors.js';
import type { Method } from '../usecases/resource.js';
import { overrides } from './guards/method-override.js';
import type { Json } from './openapi/openapi-parts.js';
import { checkQuery, type Parameters, type Query } from './parameters.js';

/** What one method does at one path, and how OpenAPI describes it. */
export interface Route {
  /** Forms the `operationId` with the name of the group. Default: the fixed parts of the path. */
  id?: string;
  /** Tags to add after the name of the group. */
  tags?: readonly string[];
  summary: string;
  description?: string;
  /** Overrides the group's. */
  security?: readonly Json[];
  /** The query parameters that it accepts. Any other is refused before the handlers run. */
  query?: Query;
  headers?: Parameters;
  /** OpenAPI's `requestBody`; a function if it must read schema files. */
  body?: Json | (() => Json);
  /** OpenAPI's `responses`, without errors. */
  answers: Json;
  /** The errors that it may answer with, in addition to those of its group. */
  errors?: readonly ErrorCode[];
  handle: RequestHandler | readonly RequestHandler[];
}

/** A group of routes, and what they share. */
export interface Routes {
  /** The noun or the dialect; absent for routes that belong to neither. */
  name?: string;
  /** Empty if no login is needed. Default: that of the whole API. */
  security?: readonly Json[];
  /** Runs first, whatever the path. */
  before?: RequestHandler;
  /** Runs once the method and the query have been accepted. */
  login?: RequestHandler;
  /** The path parameters. */
  keys?: Parameters;
  /** Query parameters of every route, except those that check their query themselves. */
  query?: Parameters;
  /** Errors that every route may answer with, in addition to those of a login, a query and a path. */
  errors?: readonly ErrorCode[];
  /** The schema of an error, if it is not our own. */
  errorSchema?: Json;
  /**
   * By method and path, relative to where they are mounted, as OpenAPI writes it: `GET /{uuid}/history/`. `{...file}`
   * stands for the rest of a path, slashes included, which OpenAPI cannot say: there it is `{file}`.
   */
  routes: Readonly<Record<`${Method} /${string}`, Route>>;
}

/** Each route with its method, its path, the pattern that Express knows it by, and every query parameter that it accepts. */
export const listed = (group: Routes) =>
  Object.entries(group.routes).map(([key, route]) => {
    const [method, written] = key.split(' ') as [Method, string];
    const path = written.replace('{...', '{');
    const pattern = written.replace(/\{\.\.\.(\w+)\}/, '*$1').replace(/\{(\w+)\}/g, ':$1');
    const query = typeof route.query === 'function' ? route.query : { ...group.query, ...route.query };
    return { id: path.match(/(?<=\/)\w+/g)?.join('_') ?? '', ...route, method, path, pattern, query };
  });

/** Mounts routes on a router of their own. */
export function routerOf(group: Routes): Router {
  const router = Router();
  const login = group.login === undefined ? [] : [group.login];
  const routes = listed(group);
  if (group.before !== undefined) router.use(group.before);
  for (const pattern of new Set(routes.map((route) => route.pattern))) {
    const here = routes.filter((route) => route.pattern === pattern);
    const mounted = router.route(pattern);
    mounted.all(checkMethod(here));
    for (const { method, handle } of here) {
      mounted[method.toLowerCase() as Lowercase<Method>](...login, ...[handle].flat());
    }
  }
  return router;
}

/** The first of all checks: OPTIONS, a 405 and an unknown parameter are answered without a login. */
export function checkMethod(routes: readonly { method: Method; query?: Query }[]): RequestHandler {
  const allowed = routes.map(({ method }) => method);
  const allow = allowed.join(',');
  return (request: Request, response: Response, next: NextFunction) => {
    const refuse = (detail: string) =>
      next(new PenstockError('method-not-allowed', detail, { headers: { Allow: allow } }));
    const override = request.get('x-http-method-override');
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    if (override !== undefined) {
      const asked = `X-HTTP-Method-Override: ${override.trim().slice(0, 20)}`;
      refuse(
        `${asked} is not possible on a ${request.method.slice(0, 20)}. Only a POST can be overridden, with ${overrides.join(', ')}.`,
      );
    } else if (method === 'OPTIONS') {
      response.writeHead(200, { Allow: allow, 'Content-Type': 'text/html; charset=utf-8' }).end(allow);
    } else {
      const route = routes.find((one) => one.method === method);
      if (route === undefined) {
        refuse(`${request.method.slice(0, 20)} is not allowed on this URL. Use ${allowed.join(', ')}.`);
      } else {
        checkQuery(request, route.query);
        next();
      }
    }
  };
}
