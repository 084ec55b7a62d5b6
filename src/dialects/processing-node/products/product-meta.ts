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

/** Where the entries are: in the `_sets` of a `meta` if it has one, else in itself. */
function entriesIn(meta: JsonNode): JsonNode {
  const sets = member(meta, '_sets');
  return sets?.kind === 'object' ? sets : meta;
}

/** The first entry of a Product's `meta`, by name; undefined where there is none. */
export function firstEntry(product: JsonNode): string | undefined {
  const meta = member(product, 'meta');
  return meta === undefined ? undefined : members(entriesIn(meta)).find(([key]) => isEntry(key))?.[0];
}

/**
 * The `meta` of a new Product, from that of another: the mandatory attributes that the other one has, in its shapes
 * and with its values, and over them these texts and `creationDate`.
 *
 * @param kept the name of one more entry that is taken over
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

/** An entry that says this, in the shape of the one that it replaces, or else of its dialect. */
function textEntry(found: JsonNode | undefined, dialect: Dialect, key: string, text: string): JsonNode {
  const value = jsonOf(text);
  if (found?.kind === 'scalar') return value;
  if (found !== undefined && member(found, 'value') !== undefined) return withMember(found, 'value', value);
  return dialect === 'classID' ? value : parameter(key, value, 'B', 'StringParameter');
}

/** The same with a time: inside a time object, inside the one of a parameter, or a whole new one. */
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
