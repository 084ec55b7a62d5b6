import type { Request } from 'express';
import { bounds } from '../../domain/bounds.js';
import { queryPairs } from '../../http/answers/answer.js';
import { parseJson, readBody, textOf } from '../../http/bodies/body.js';
import { PenstockError } from '../../lib/errors.js';
import { count } from '../../lib/wording.js';

/** A request's JSON, with a limit for lists. Null if there is no body. Ignores the content type, as older clients need. */
export async function readValue(request: Request, limit: number): Promise<unknown> {
  const text = textOf(await readBody(request, limit));
  const value = text.trim() === '' ? null : parseJson(text);
  if (Array.isArray(value)) refuseLong(value.length);
  return value;
}

/** A request may have at most as many tasks or servers as a page has objects. */
function refuseLong(length: number): void {
  if (length <= bounds.objects) return;
  const detail = `a list may have at most ${count(bounds.objects, 'item')}, not ${length}`;
  throw new PenstockError('invalid-body', detail, { problems: [{ pointer: '', detail }] });
}

export const isIds = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');

/** The ids in the query, `?id=…&id=…`. */
const queryIds = (request: Request): string[] =>
  queryPairs(request)
    .filter(([key]) => key === 'id')
    .map(([, value]) => value);

/** The ids that a request asks for, or null for all. Throws for any other body. */
export async function idsOf(request: Request, limit: number, refusal: string): Promise<string[] | null> {
  const asked = queryIds(request);
  if (asked.length > 0) return asked;
  const value = await readValue(request, limit);
  if (value === null) return null;
  if (Array.isArray(value) && value.length === 0) return [];
  if (isIds(value)) return value;
  throw new PenstockError('invalid-body', refusal);
}
