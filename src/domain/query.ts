import type { Problem } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';

/** A field of a resource, as filters, `schema/` and OpenAPI need it. */
export interface Field {
  type: 'string' | 'integer' | 'float' | 'boolean' | 'datetime' | 'dict' | 'list' | 'related';
  help_text: string;
  /** True for a related object that is identified by a UUID, not by a number. */
  uuid?: boolean;
  nullable?: boolean;
  readonly?: boolean;
  unique?: boolean;
  blank?: boolean;
  default?: unknown;
  /** The lookups allowed in a filter; without any, the field cannot be filtered by. */
  lookups?: readonly Lookup[];
  /** True if the list can be ordered by it. */
  orderable?: boolean;
}
export type Fields = Readonly<Record<string, Field>>;

const lookups = [
  'exact',
  'in',
  'contains',
  'startswith',
  'gt',
  'gte',
  'lt',
  'lte',
  'range',
  'isnull',
] as const;
export type Lookup = (typeof lookups)[number];

export type FilterValue = string | number | boolean | Date | null;
export interface Filter {
  field: string;
  lookup: Lookup;
  /** One value; for `in` any number, for `range` two. */
  values: FilterValue[];
}
export interface Order {
  field: string;
  descending: boolean;
}
export interface ListQuery {
  limit: number;
  offset: number;
  filters: Filter[];
  order: Order[];
}

/** Page sizes, as the older registry had them. */
export const paging = { defaultLimit: 20, maxLimit: 1000 } as const;

/** Accepted in every query: the format, and the `_` that jQuery adds to bypass caches, which is ignored. */
export const everywhere: readonly string[] = ['format', '_'];
const pageParameters = ['limit', 'offset', 'order_by', 'sort_by'];

/** The result of parsing a query: what it asks for, or what is wrong with it. */
type Parsed<T> = { ok: true; value: T } | { ok: false; problem: Problem };

const wrong = (name: string, detail: string): { ok: false; problem: Problem } => ({
  ok: false,
  problem: { pointer: `?${name}`, detail },
});

/** A whole number, clamped to the largest safe integer. Nothing has that many. */
const clamped = (text: string): number =>
  Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number(text), Number.MAX_SAFE_INTEGER));

function pageNumber(name: string, text: string | undefined, fallback: number): Parsed<number> {
  if (text === undefined) return { ok: true, value: fallback };
  if (!/^\s*[+-]?\d+\s*$/.test(text)) {
    return wrong(name, `Invalid ${name} '${text}' provided. It must be a whole number, 0 or more.`);
  }
  const value = clamped(text);
  if (value < 0) return wrong(name, `Invalid ${name} '${text}' provided. It must be 0 or more.`);
  return { ok: true, value };
}

/** The page's limit: 0 means the maximum, more than the maximum means the maximum. */
function clampLimit(limit: number): number {
  return limit === 0 || limit > paging.maxLimit ? paging.maxLimit : limit;
}

const words: Readonly<Record<string, FilterValue>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  nil: null,
  none: null,
  None: null,
};

function filterValue(name: string, field: Field, lookup: Lookup, text: string): Parsed<FilterValue> {
  const word = Object.hasOwn(words, text) ? words[text] : undefined;
  if (field.type === 'boolean' && typeof word === 'boolean') return { ok: true, value: word };
  // A word for null means null only if the field may be null; otherwise it is a text like any other.
  if (word === null && field.nullable && lookup === 'exact') return { ok: true, value: null };
  switch (field.type) {
    case 'integer':
      if (!/^-?\d+$/.test(text)) return wrong(name, `'${text}' is not a whole number.`);
      return { ok: true, value: clamped(text) };
    case 'related': {
      // A resource_uri and the bare id mean the same.
      if (field.uuid) {
        const uuid = /^(?:.*\/)?([0-9a-f-]{36})\/?$/.exec(text)?.[1];
        if (uuid === undefined) return wrong(name, `'${text}' is neither a UUID nor a resource_uri.`);
        return { ok: true, value: uuid };
      }
      const id = /^(?:.*\/)?(\d+)\/?$/.exec(text)?.[1];
      if (id === undefined) return wrong(name, `'${text}' is neither an id nor a resource_uri.`);
      return { ok: true, value: clamped(id) };
    }
    case 'boolean':
      return wrong(name, `'${text}' is neither true nor false.`);
    case 'datetime': {
      // The older registry's dates have no zone; ours are UTC. A + in a query arrives as a space.
      const repaired = text.replace(/ (\d\d:?\d\d)$/, '+$1').replace(' ', 'T');
      if (!/^\d{4}-\d\d-\d\d(T[\d:.]+)?(Z|[+-]\d\d:?\d\d)?$/.test(repaired)) {
        return wrong(name, `'${text}' is not a date such as 2026-01-31 or 2026-01-31T12:00:00Z.`);
      }
      const zoned =
        /T.*(Z|[+-]\d\d:?\d\d)$/.test(repaired) || !repaired.includes('T') ? repaired : `${repaired}Z`;
      const date = new Date(zoned);
      if (Number.isNaN(date.getTime())) return wrong(name, `'${text}' is not a date that exists.`);
      return { ok: true, value: date };
    }
    default:
      return { ok: true, value: text };
  }
}

function readFilter(name: string, values: string[], fields: Fields): Parsed<Filter> {
  const [fieldName = '', ...rest] = name.split('__');
  const field = Object.hasOwn(fields, fieldName) ? fields[fieldName] : undefined;
  if (field === undefined) {
    const known = [...Object.keys(fields).filter((key) => fields[key]?.lookups), ...pageParameters];
    const near = nearest(fieldName, known);
    return wrong(
      name,
      `There is no field '${fieldName}' to filter by.${near ? ` Did you mean '${near}'?` : ` Known: ${known.join(', ')}.`}`,
    );
  }
  if (field.lookups === undefined || field.lookups.length === 0) {
    return wrong(name, `The '${fieldName}' field does not allow filtering.`);
  }
  const lookup = (rest.length === 0 ? 'exact' : rest.join('__')) as Lookup;
  if (!field.lookups.includes(lookup)) {
    return wrong(
      name,
      `'${lookup}' is not an allowed filter on the '${fieldName}' field. Allowed: ${field.lookups.join(', ')}.`,
    );
  }
  if (lookup === 'isnull') {
    const last = values.at(-1) ?? '';
    const word = Object.hasOwn(words, last) ? words[last] : undefined;
    if (typeof word !== 'boolean') return wrong(name, `'${last}' is neither true nor false.`);
    return { ok: true, value: { field: fieldName, lookup, values: [word] } };
  }
  const many = lookup === 'in' || lookup === 'range';
  // If a plain filter is repeated, the last one wins. Lists may be repeated, separated by commas, or both.
  const texts = many ? values.flatMap((value) => value.split(',')) : values.slice(-1);
  // A client that asks for the objects in a list that happens to be empty asks for none.
  const isNone = lookup === 'in' && texts.every((text) => text === '');
  if (isNone) return { ok: true, value: { field: fieldName, lookup, values: [] } };
  if (lookup === 'range' && texts.length !== 2) {
    return wrong(name, `a range needs two values, as in ${name}=1,10; here are ${texts.length}.`);
  }
  const read: FilterValue[] = [];
  for (const text of texts) {
    const value = filterValue(name, field, lookup, text);
    if (!value.ok) return value;
    read.push(value.value);
  }
  return { ok: true, value: { field: fieldName, lookup, values: read } };
}

function readOrder(name: string, text: string, fields: Fields): Parsed<Order> {
  const descending = text.startsWith('-');
  const fieldName = descending ? text.slice(1) : text;
  const field = Object.hasOwn(fields, fieldName) ? fields[fieldName] : undefined;
  if (!field?.orderable) {
    const known = Object.keys(fields).filter((key) => fields[key]?.orderable);
    const near = nearest(fieldName, known);
    return wrong(
      name,
      field === undefined
        ? `No matching '${fieldName}' field for ordering on.${near ? ` Did you mean '${near}'?` : ''}`
        : `The '${fieldName}' field does not allow ordering. These do: ${known.join(', ')}.`,
    );
  }
  return { ok: true, value: { field: fieldName, descending } };
}

/**
 * Reads a list's query as Tastypie does: `limit`, `offset`, `order_by` (repeatable), and filters `field`,
 * `field__lookup`. Anything else is refused.
 *
 * @param pairs the decoded query in its order
 * @param paged false if the request is for everything that the filters select: then `limit` and the like are refused
 * @param besides names of further parameters that the route reads itself
 */
export function readListQuery(
  pairs: readonly (readonly [string, string])[],
  fields: Fields,
  paged = true,
  besides: readonly string[] = [],
): Parsed<ListQuery> {
  const byName = new Map<string, string[]>();
  for (const [name, value] of pairs) byName.set(name, [...(byName.get(name) ?? []), value]);
  const query: ListQuery = { limit: paging.defaultLimit, offset: 0, filters: [], order: [] };
  if (paged) {
    const limit = pageNumber('limit', byName.get('limit')?.at(-1), paging.defaultLimit);
    if (!limit.ok) return limit;
    const offset = pageNumber('offset', byName.get('offset')?.at(-1), 0);
    if (!offset.ok) return offset;
    query.limit = clampLimit(limit.value);
    query.offset = offset.value;
  }
  for (const [name, values] of byName) {
    if (!paged && pageParameters.includes(name)) {
      return wrong(name, `This request is for everything that the filters select; it takes no '${name}'.`);
    }
    if (name === 'order_by' || name === 'sort_by') {
      for (const value of values) {
        const order = readOrder(name, value, fields);
        if (!order.ok) return order;
        // Ordering by the same field again changes nothing.
        if (query.order.some(({ field }) => field === order.value.field)) continue;
        query.order.push(order.value);
      }
    } else if (![...pageParameters, ...everywhere, ...besides].includes(name)) {
      const filter = readFilter(name, values, fields);
      if (!filter.ok) return filter;
      query.filters.push(filter.value);
    }
  }
  return { ok: true, value: query };
}
