import type { Problem } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { below, keysOf } from '../../lib/pointer.js';
import type { ValueSchema } from '../../lib/value-schema.js';
import { count, show } from '../../lib/wording.js';

/** Keywords of JSON Schema (2020-12) by what they hold: other schemas, or something else. */
const keywords: Readonly<Record<string, 'schema' | 'schemas' | 'map' | 'other'>> = {
  type: 'other',
  enum: 'other',
  const: 'other',
  title: 'other',
  description: 'other',
  default: 'other',
  examples: 'other',
  deprecated: 'other',
  $comment: 'other',
  $ref: 'other',
  $defs: 'map',
  minimum: 'other',
  maximum: 'other',
  exclusiveMinimum: 'other',
  exclusiveMaximum: 'other',
  multipleOf: 'other',
  minLength: 'other',
  maxLength: 'other',
  pattern: 'other',
  format: 'other',
  items: 'schema',
  prefixItems: 'schemas',
  contains: 'schema',
  minContains: 'other',
  maxContains: 'other',
  minItems: 'other',
  maxItems: 'other',
  uniqueItems: 'other',
  properties: 'map',
  patternProperties: 'map',
  additionalProperties: 'schema',
  unevaluatedProperties: 'schema',
  unevaluatedItems: 'schema',
  propertyNames: 'schema',
  required: 'other',
  dependentRequired: 'other',
  dependentSchemas: 'map',
  minProperties: 'other',
  maxProperties: 'other',
  allOf: 'schemas',
  anyOf: 'schemas',
  oneOf: 'schemas',
  not: 'schema',
  if: 'schema',
  // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema
  then: 'schema',
  else: 'schema',
};

const formats = [
  'date',
  'time',
  'date-time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uri-template',
  'url',
  'uuid',
  'json-pointer',
  'relative-json-pointer',
  'regex',
  'byte',
  'int32',
  'int64',
  'float',
  'double',
  'password',
  'binary',
  'iso-time',
  'iso-date-time',
];

/** The most schemas in one, each counted as often as it is referred to: checking a value takes as long. */
const mostSchemas = 1000;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schemas directly inside a schema, each with its pointer. */
function inside(schema: Record<string, unknown>, pointer: string): { schema: unknown; pointer: string }[] {
  return Object.entries(schema).flatMap(([key, value]) => {
    const place = below(pointer, key);
    const kind = keywords[key];
    if (kind === 'schema') return [{ schema: value, pointer: place }];
    if (kind === 'schemas' && Array.isArray(value))
      return value.map((one, index) => ({ schema: one as unknown, pointer: below(place, index) }));
    if (kind === 'map' && isObject(value))
      return Object.entries(value).map(([name, one]) => ({ schema: one, pointer: below(place, name) }));
    return [];
  });
}

/** The same schema with each schema in it, and itself, changed. What stands in data, such as a default, stays. */
export function mapSchemas(schema: ValueSchema, change: (one: ValueSchema) => ValueSchema): ValueSchema {
  const mapped = (one: unknown): unknown => (isObject(one) ? mapSchemas(one, change) : one);
  return Object.fromEntries(
    Object.entries(change(schema)).map(([key, value]) => {
      const kind = keywords[key];
      if (kind === 'schema') return [key, mapped(value)];
      if (kind === 'schemas' && Array.isArray(value)) return [key, value.map(mapped)];
      if (kind !== 'map' || !isObject(value)) return [key, value];
      return [key, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapped(one)]))];
    }),
  );
}

/**
 * What ajv would not say well, or not at all, about a schema of a user's: unknown keywords and formats, references to
 * elsewhere, and circles of references, which could take for ever to follow.
 *
 * @param own further keywords at the top
 */
export function schemaProblems(schema: ValueSchema, pointer: string, own: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  const known = [...Object.keys(keywords), ...own];
  const walk = (one: unknown, place: string) => {
    if (!isObject(one)) return;
    for (const key of Object.keys(one)) {
      if (Object.hasOwn(keywords, key) || (place === pointer && own.includes(key))) continue;
      const near = nearest(key, place === pointer ? known : Object.keys(keywords));
      const misplaced = own.includes(key)
        ? `"${key}" belongs at the top of the declaration, not inside it`
        : undefined;
      const hint = near === undefined ? 'see docs/inputs.md' : `did you mean "${near}"?`;
      problems.push({ pointer: below(place, key), detail: misplaced ?? `unknown keyword; ${hint}` });
    }
    const { format, $ref } = one;
    if (typeof format === 'string' && !formats.includes(format)) {
      const near = nearest(format, formats);
      const hint =
        near === undefined ? `known are ${formats.slice(0, 13).join(', ')}` : `did you mean "${near}"?`;
      problems.push({ pointer: below(place, 'format'), detail: `unknown format ${show(format)}; ${hint}` });
    }
    if ($ref !== undefined && target(schema, $ref) === undefined) {
      const detail = `$ref must lead to a schema of this declaration, such as "#/$defs/NAME", not to ${show($ref)}`;
      problems.push({ pointer: below(place, '$ref'), detail });
    }
    for (const next of inside(one, place)) walk(next.schema, next.pointer);
  };
  walk(schema, pointer);
  if (problems.length > 0) return problems;
  const size = sizeOf(schema, schema, new Map());
  if (size === 'circle') {
    return [{ pointer, detail: 'it refers to itself through $ref; a declaration must be finite' }];
  }
  return size > mostSchemas
    ? [{ pointer, detail: `it holds more than ${count(mostSchemas, 'schema')}, with each $ref followed` }]
    : [];
}

/** What a reference leads to within a schema; undefined if it leads elsewhere, or to nothing. */
function target(root: ValueSchema, reference: unknown): Record<string, unknown> | undefined {
  if (typeof reference !== 'string' || !/^#(\/.*)?$/s.test(reference)) return undefined;
  let pointer: string;
  try {
    pointer = decodeURIComponent(reference.slice(1));
  } catch {
    // A "%" that begins no escape.
    return undefined;
  }
  let found: unknown = root;
  for (const key of keysOf(pointer)) {
    found =
      (isObject(found) || Array.isArray(found)) && Object.hasOwn(found, key)
        ? (found as Record<string, unknown>)[key]
        : undefined;
  }
  return isObject(found) ? found : undefined;
}

/** How many schemas there are in a schema, with each reference followed. */
function sizeOf(root: ValueSchema, schema: unknown, sizes: Map<unknown, number | 'open'>): number | 'circle' {
  if (!isObject(schema)) return 1;
  const known = sizes.get(schema);
  if (known === 'open') return 'circle';
  if (known !== undefined) return known;
  sizes.set(schema, 'open');
  // A value is compared with each that it may be.
  let size = 1 + (Array.isArray(schema.enum) ? Math.floor(schema.enum.length / 10) : 0);
  const { $defs: _, ...used } = schema;
  const parts = inside(used, '').map((part) => part.schema);
  const referred = schema.$ref === undefined ? [] : [target(root, schema.$ref)];
  for (const part of [...parts, ...referred]) {
    const more = sizeOf(root, part, sizes);
    if (more === 'circle') return 'circle';
    size += more;
  }
  sizes.set(schema, size);
  return size;
}
