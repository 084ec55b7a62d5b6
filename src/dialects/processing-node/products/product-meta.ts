import type { JsonNode } from '../../../domain/json/json-node.js';
import {
  jsonObject,
  jsonOf,
  keepMembers,
  member,
  members,
  withMember,
  withMembers,
} from '../../../domain/json/json-text.js';
import { type Dialect, dialectOf, isEntry, newMeta, tagged } from './product-parts.js';
import { isTime, newTime, withTime } from './product-time.js';

/** The attributes that every Product has. */
const mandatory: ReadonlySet<string> = new Set([
  'description',
  'creator',
  'creationDate',
  'instrument',
  'startDate',
  'endDate',
  'rootCause',
  'modelName',
  'type',
  'mission',
]);

/** The object with the entries: the `_sets` of a `meta` if it has one, else the `meta` itself. */
function entriesIn(meta: JsonNode): JsonNode {
  const sets = member(meta, '_sets');
  return sets?.kind === 'object' ? sets : meta;
}

/** The name of the first entry in a Product's `meta`, or undefined. */
export function firstEntry(product: JsonNode): string | undefined {
  const meta = member(product, 'meta');
  return meta === undefined ? undefined : members(entriesIn(meta)).find(([key]) => isEntry(key))?.[0];
}

/**
 * The `meta` of a new Product, from that of another: its mandatory attributes in the same shapes and with the same values,
 * overridden by these texts and `creationDate`.
 *
 * @param kept the name of one more entry to keep
 */
export function metaFrom(
  product: JsonNode,
  own: { texts: Readonly<Record<string, string>>; now: Date; kept?: string | undefined },
): JsonNode {
  const dialect = dialectOf(product);
  const found = member(product, 'meta');
  const meta = found?.kind === 'object' ? found : newMeta(dialect);
  const old = entriesIn(meta);
  const entries = keepMembers(old, (key) => !isEntry(key) || mandatory.has(key) || key === own.kept);
  const changed = withMembers(entries, [
    ...Object.entries(own.texts).map(([key, text]): [string, JsonNode] => [
      key,
      textEntry(member(entries, key), dialect, key, text),
    ]),
    ['creationDate', timeEntry(member(entries, 'creationDate'), dialect, own.now)],
  ]);
  return old === meta ? changed : withMember(meta, '_sets', changed);
}

/** An entry with this text, in the shape of the one that it replaces, or else of its dialect. */
function textEntry(found: JsonNode | undefined, dialect: Dialect, key: string, text: string): JsonNode {
  const value = jsonOf(text);
  if (found?.kind === 'scalar') return value;
  if (found !== undefined && member(found, 'value') !== undefined) return withMember(found, 'value', value);
  return dialect === 'classID' ? value : parameter(key, value, 'B', 'StringParameter');
}

/** The same with a time: in a time object, in the time object of a parameter, or as a new one. */
function timeEntry(found: JsonNode | undefined, dialect: Dialect, now: Date): JsonNode {
  if (found !== undefined && isTime(found)) return withTime(found, dialect, now);
  const time = newTime(dialect, now);
  if (found?.kind === 'scalar') return time;
  const value = found === undefined ? undefined : member(found, 'value');
  if (found !== undefined && value !== undefined) {
    return withMember(found, 'value', isTime(value) ? withTime(value, dialect, now) : time);
  }
  return dialect === 'classID' ? time : parameter('creationDate', time, 'Q', 'DateParameter');
}

/** An entry of the `_STID` dialect. */
function parameter(key: string, value: JsonNode, typecode: string, name: string): JsonNode {
  return jsonObject([
    ['description', jsonOf(key)],
    ['default', jsonOf(typecode === 'B' ? '' : null)],
    ['value', value],
    ['valid', jsonOf(null)],
    ['typecode', jsonOf(typecode)],
    ...tagged('_STID', name),
  ]);
}
