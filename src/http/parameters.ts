import type { Request } from 'express';
import { everywhere, type Fields, type ListQuery, readListQuery } from '../domain/query.js';
import { PenstockError } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';
import { queryPairs } from './answers/answer.js';
import type { Json } from './openapi/openapi-parts.js';

/** Parameters by name: the schema of each, and what it means. */
export type Parameters = Readonly<Record<string, readonly [schema: Json, description: string]>>;

/** The query parameters of a route. A function means that the route checks them itself; only OpenAPI calls it. */
export type Query = Parameters | (() => Parameters);

/** Throws `bad-query` for the first unknown parameter, so that a misspelt one is not silently ignored. */
export function checkQuery(request: Request, query: Query = {}): void {
  if (!request.originalUrl.includes('?')) return;
  refuseFormats(request);
  if (typeof query === 'function') return;
  const unknown = queryPairs(request).find(
    ([name]) => !Object.hasOwn(query, name) && !isNamed(name, query) && !everywhere.includes(name),
  );
  if (unknown !== undefined) throw notTaken(unknown[0], Object.keys(query));
}

/** Whether a parameter such as `inputs.bitrate` is one of `inputs.NAME`. */
const isNamed = (name: string, query: Parameters): boolean =>
  /^\w+\../.test(name) && Object.hasOwn(query, `${name.slice(0, name.indexOf('.'))}.NAME`);

/** The query of a list. Throws an error that names the wrong parameter. */
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

/** Tastypie offers several formats. A client that asks for another than JSON must not mistake JSON for it. */
function refuseFormats(request: Request): void {
  if (!request.originalUrl.includes('format=')) return;
  const wrong = queryPairs(request).find(([name, value]) => name === 'format' && value !== 'json');
  if (wrong === undefined) return;
  const detail = `format: '${wrong[1].slice(0, 40)}' is not supported. All answers are JSON: use format=json, or leave it out.`;
  throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?format', detail }] });
}

function notTaken(name: string, taken: readonly string[]): PenstockError {
  const near = nearest(name, taken);
  const known = taken.length === 0 ? 'This request has none.' : `Known: ${taken.join(', ')}.`;
  const hint = near === undefined ? known : `Did you mean '${near}'?`;
  const detail = `Unknown parameter '${name.slice(0, 100)}'. ${hint}`;
  return new PenstockError('bad-query', detail, {
    problems: [{ pointer: `?${name.slice(0, 100)}`, detail }],
  });
}
