import path from 'node:path';
import { schema } from '../../src/lib/schemas.js';

type Json = Record<string, unknown>;

/** Words that hold no schema of a value. */
const notSchemas = ['default', 'examples', 'enum', 'const', 'required', 'dependentRequired'];
/** A schema there only narrows what is said beside it. */
const narrowing = ['if', 'then', 'else', 'not'];

/**
 * The places of a schema where a request could hold any amount: a text without a greatest length, a list without a
 * greatest number of items, an object that may have any number of keys. What has no type at all is any JSON, which
 * is bounded as a whole.
 *
 * @param root the whole document, which references lead into
 */
export function unbounded(
  root: Json,
  node: unknown = root,
  place = '',
  seen: readonly unknown[] = [],
): string[] {
  if (Array.isArray(node)) {
    return node.flatMap((item, index) => unbounded(root, item, `${place}/${index}`, seen));
  }
  if (typeof node !== 'object' || node === null || seen.includes(node)) return [];
  const given = node as Json;
  const target = typeof given.$ref === 'string' ? targetOf(root, given.$ref) : undefined;
  const inside = Object.entries(given).flatMap(([key, value]) => {
    const deeper = `${place}/${key}`;
    if (notSchemas.includes(key) || narrowing.includes(key)) return [];
    if (key === 'properties' || key === '$defs') {
      return Object.entries(value as Json).flatMap(([name, one]) =>
        unbounded(root, one, `${deeper}/${name}`, [...seen, given]),
      );
    }
    return unbounded(root, value, deeper, [...seen, given]);
  });
  const beyond =
    target === undefined ? [] : unbounded(target.root, target.node, `${place}→`, [...seen, given]);
  return [...(isBounded(given) ? [] : [place || '/']), ...inside, ...beyond];
}

/** What a reference leads to, and the document that it stands in. */
export function targetOf(root: Json, reference: string): { root: Json; node: unknown } {
  const [file = '', pointer = ''] = reference.split('#');
  const whole = file === '' ? root : (schema(path.posix.basename(file, '.json')) as Json);
  const node = pointer
    .split('/')
    .slice(1)
    .reduce<unknown>((from, key) => (from as Json)[key], whole);
  return { root: whole, node };
}

function isBounded(given: Json): boolean {
  if ('enum' in given || 'const' in given) return true;
  const types = [given.type].flat();
  if (types.includes('string') && given.maxLength === undefined && !isShort(given)) return false;
  if (types.includes('array') && given.maxItems === undefined) return false;
  const closed = given.additionalProperties === false || given.maxProperties !== undefined;
  return !types.includes('object') || closed;
}

/** Whether a text's form says how long it can be. */
function isShort({ pattern, format }: Json): boolean {
  if (format === 'binary' || format === 'uuid') return true;
  if (typeof pattern !== 'string') return false;
  const outside = pattern.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  return /^\^.*\$$/.test(outside) && !/[*+]|\{\d+,\}/.test(outside);
}
