import { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import { type ErrorCode, PenstockError } from '../lib/errors.js';
import type { Method } from '../usecases/resource.js';
import { overrides } from './guards/method-override.js';
import type { Json } from './openapi/openapi-parts.js';
import { checkQuery, type Parameters, type Query } from './parameters.js';

/** What one method does at one path, and how the API's description tells of it. */
export interface Route {
  /** What its `operationId` is made of, with the name of its group; left out, the fixed parts of its path. */
  id?: string;
  /** Besides the name of its group, which is the first. */
  tags?: readonly string[];
  summary: string;
  description?: string;
  /** Where it is not that of its group. */
  security?: readonly Json[];
  /** All that its query takes: anything else is refused before its handlers run. */
  query?: Query;
  headers?: Parameters;
  /** OpenAPI's `requestBody`; a function where it takes files to say. */
  body?: Json | (() => Json);
  /** OpenAPI's `responses`, but for errors. */
  answers: Json;
  /** Which errors it may answer with, besides those of its group. */
  errors?: readonly ErrorCode[];
  handle: RequestHandler | readonly RequestHandler[];
}

/** Routes, and what they have in common. */
export interface Routes {
  /** Tells them apart in the description: the noun, or the dialect. Without it they are the house's own. */
  name?: string;
  /** Empty for those that need no login; without it, what the whole API says. */
  security?: readonly Json[];
  /** Asked first of all, whatever the path. */
  before?: RequestHandler;
  /** Asked once the method and the query are right. */
  login?: RequestHandler;
  /** What stands in the paths. */
  keys?: Parameters;
  /** What the query of each takes, but for those that read all of it themselves. */
  query?: Parameters;
  /** Which errors each may answer with, besides those of a login, a query and a path. */
  errors?: readonly ErrorCode[];
  /** The schema of an error, if it is not our own. */
  errorSchema?: Json;
  /** By method and path below where they are mounted, as OpenAPI writes it: `GET /{uuid}/history/`. */
  routes: Readonly<Record<`${Method} /${string}`, Route>>;
}

/** Each route with its method and path, and all that its query takes. */
export const listed = (group: Routes) =>
  Object.entries(group.routes).map(([key, route]) => {
    const [method, path] = key.split(' ') as [Method, string];
    const query = typeof route.query === 'function' ? route.query : { ...group.query, ...route.query };
    return { id: path.match(/(?<=\/)\w+/g)?.join('_') ?? '', ...route, method, path, query };
  });

/** Mounts routes on a router of their own. */
export function routerOf(group: Routes): Router {
  const router = Router();
  const login = group.login === undefined ? [] : [group.login];
  const routes = listed(group);
  if (group.before !== undefined) router.use(group.before);
  for (const path of new Set(routes.map((route) => route.path))) {
    const here = routes.filter((route) => route.path === path);
    const mounted = router.route(path.replace(/\{(\w+)\}/g, ':$1'));
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
