import type { Request } from 'express';
import { everywhere, type Fields, type ListQuery, readListQuery } from '../domain/query.js';
import { PenstockError } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';
import { queryPairs } from './answers/answer.js';
import type { Json } from './openapi/openapi-parts.js';

/** Parameters by name: the schema of each, and what it means. */
export type Parameters = Readonly<Record<string, readonly [schema: Json, description: string]>>;

/** What a route's query takes. A function is for those that read all of it themselves; it is called for the description only. */
export type Query = Parameters | (() => Parameters);

/** Throws `bad-query` for the first parameter that is not among those: a misspelt one would else be a wish that nobody hears. */
export function checkQuery(request: Request, query: Query = {}): void {
  if (!request.originalUrl.includes('?')) return;
  refuseFormats(request);
  if (typeof query === 'function') return;
  const unknown = queryPairs(request).find(
    ([name]) => !Object.hasOwn(query, name) && !everywhere.includes(name),
  );
  if (unknown !== undefined) throw notTaken(unknown[0], Object.keys(query));
}

/** What a request wants of a list, or an error that names the parameter. */
export function listQuery(
  request: Request,
  fields: Fields,
  paged: boolean,
  besides: readonly string[] = [],
): ListQuery {
  const query = readListQuery(queryPairs(request), fields, paged, besides);
  if (query.ok) return query.value;
  throw new PenstockError('bad-query', query.problem.detail, { problems: [query.problem] });
}

/** What an operation takes: these names, or whatever it is given. */
type Taken = ReadonlySet<string> | 'anything';
interface Route {
  path: RegExp;
  taken: ReadonlyMap<string, Taken>;
}
interface Parameter {
  name: string;
  in: string;
  schema: { additionalProperties?: unknown };
}

/** Throws `bad-query` for the first query parameter that the route does not take. */
export type CheckQuery = (request: Request, method: string) => void;

const queryOnly = (parameters: unknown): Parameter[] =>
  ((parameters ?? []) as Parameter[]).filter((parameter) => parameter.in === 'query');

/** The names of query parameters as the API's description has them. */
const queryNames = (parameters: unknown): string[] => queryOnly(parameters).map(({ name }) => name);

/** An object without fixed keys is how OpenAPI says that any parameter is taken. */
const takenBy = (parameters: readonly Parameter[]): Taken =>
  parameters.some(({ schema }) => schema.additionalProperties !== undefined)
    ? 'anything'
    : new Set(queryNames(parameters));

function routeOf(template: string, item: Json): Route {
  const { parameters: shared, ...operations } = item;
  const pattern = template
    .replace(/\/$/, '')
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{\w+\}/g, '[^/]+');
  const taken = Object.entries(operations).map(([method, operation]) => {
    const names = takenBy([...queryOnly(shared), ...queryOnly((operation as Json).parameters)]);
    return [method.toUpperCase(), names] as const;
  });
  // As Express matches: any case, with or without the final slash.
  return { path: new RegExp(`^${pattern}/?$`, 'i'), taken: new Map(taken) };
}

const slashes = (path: string) => path.replace(/\/$/, '').split('/').length;

/**
 * A check of queries against the API's own description: what an operation does not declare, it does not take. A
 * misspelt parameter would else be a wish that nobody hears.
 *
 * @param paths the description's paths
 */
export function queryCheck(paths: Json): CheckQuery {
  const byLength = new Map<number, Route[]>();
  for (const [template, item] of Object.entries(paths)) {
    const length = slashes(template);
    const route = routeOf(template, item as Json);
    byLength.set(length, [...(byLength.get(length) ?? []), route]);
  }
  return (request, asked) => {
    if (!request.originalUrl.includes('?')) return;
    refuseFormats(request);
    const path = request.originalUrl.slice(0, request.originalUrl.indexOf('?'));
    const method = asked === 'HEAD' ? 'GET' : asked;
    const route = byLength.get(slashes(path))?.find((one) => one.taken.has(method) && one.path.test(path));
    const taken = route?.taken.get(method) ?? 'anything';
    if (taken === 'anything') return;
    const unknown = queryPairs(request).find(([name]) => !taken.has(name) && !everywhere.includes(name));
    if (unknown !== undefined) throw notTaken(unknown[0], [...taken]);
  };
}

/** Tastypie has more formats than one; whoever asks for another must not take what comes for that. */
function refuseFormats(request: Request): void {
  if (!request.originalUrl.includes('format=')) return;
  const wrong = queryPairs(request).find(([name, value]) => name === 'format' && value !== 'json');
  if (wrong === undefined) return;
  const detail = `format: '${wrong[1].slice(0, 40)}' is not possible here; all answers are json.`;
  throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?format', detail }] });
}

function notTaken(name: string, taken: readonly string[]): PenstockError {
  const near = nearest(name, taken);
  const known = taken.length === 0 ? 'This request takes none.' : `Known: ${taken.join(', ')}.`;
  const hint = near === undefined ? known : `Did you mean '${near}'?`;
  const detail = `There is no parameter '${name.slice(0, 100)}' here. ${hint}`;
  return new PenstockError('bad-query', detail, {
    problems: [{ pointer: `?${name.slice(0, 100)}`, detail }],
  });
}
