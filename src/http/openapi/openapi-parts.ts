import type { Field } from '../../domain/query.js';
import { catalogue, type ErrorCode } from '../../lib/errors.js';

export type Json = Record<string, unknown>;

export const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
export const jsonContent = (value: Json): Json => ({ 'application/json': { schema: value } });
export const answer = (description: string, value?: Json): Json => ({
  description,
  ...(value === undefined ? {} : { content: jsonContent(value) }),
});
export const bytes = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
export const object = (properties: Json): Json => ({ type: 'object', properties });
export const sse = { 'text/event-stream': { schema: { type: 'string' } } };

/** What every request may get whose body is read as JSON. */
export const readingJson: ErrorCode[] = [
  'invalid-body',
  'bad-json',
  'too-slow',
  'too-large',
  'unsupported-media-type',
];

/** Which errors a kind of request may get, as answers by status. */
export function errors(codes: readonly ErrorCode[], schema = ref('Error')): Json {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const { status, title } = catalogue[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), `${title} (\`${code}\`)`]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, texts]) => [String(status), answer(texts.join('; '), schema)]),
  );
}

export const types: Record<Field['type'], Json> = {
  string: { type: 'string' },
  integer: { type: 'integer' },
  float: { type: 'number' },
  boolean: { type: 'boolean' },
  datetime: { type: 'string', format: 'date-time' },
  dict: { type: 'object' },
  list: { type: 'array' },
  related: { type: 'string', format: 'uri-reference' },
};

export const titleOf = (name: string) =>
  name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
