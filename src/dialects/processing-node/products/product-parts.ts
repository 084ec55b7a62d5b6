import type { JsonNode, JsonObject } from '../../../domain/json/json-node.js';
import { jsonObject, jsonOf, keepMembers, member, members } from '../../../domain/json/json-text.js';

/** The two dialects of Products, named after the key for a class: `classID` in v0.6, `_STID` in v0.8. */
export type Dialect = 'classID' | '_STID';

const tags: ReadonlySet<string> = new Set(['classID', '_STID', 'version']);
const listeners: ReadonlySet<string> = new Set(['listenersurn', 'listeners']);

/** Whether a key is part of the class tag, and so neither a dataset nor an entry of `meta`. */
export const isTag = (key: string): boolean => tags.has(key);

/** Whether a key of `meta`, or of the `_sets` in it, is one of its entries. */
export const isEntry = (key: string): boolean => !isTag(key) && !listeners.has(key) && key !== '_sets';

/** The text of a JSON string. Undefined for anything else. */
export function stringOf(node: JsonNode | undefined): string | undefined {
  return node?.kind === 'scalar' && node.text.startsWith('"') ? (JSON.parse(node.text) as string) : undefined;
}

/** The class tag of an object: its key and the name of the class. Undefined if it has none. */
export function tagOf(node: JsonNode | undefined): { key: Dialect; name: string } | undefined {
  for (const key of ['_STID', 'classID'] as const) {
    const name = node === undefined ? undefined : stringOf(member(node, key));
    if (name !== undefined) return { key, name };
  }
  return undefined;
}

/** The dialect of a Product, from its tag or else that of its `meta`. `classID` if neither has one. */
export const dialectOf = (product: JsonNode): Dialect =>
  (tagOf(product) ?? tagOf(member(product, 'meta')))?.key ?? 'classID';

/** The tag of a class, as the last members of an object. */
export function tagged(dialect: Dialect, name: string): [string, JsonNode][] {
  const tag: [string, JsonNode] = [dialect, jsonOf(name)];
  return dialect === 'classID' ? [tag, ['version', jsonOf('')]] : [tag];
}

/** A `meta` without entries. */
export function newMeta(dialect: Dialect): JsonObject {
  const parts = dialect === 'classID' ? { _sets: {}, listenersurn: [] } : {};
  return jsonObject([...members(jsonOf(parts)), ...tagged(dialect, 'MetaData')]);
}

/**
 * An emptied part of a Product with the same keys, such as a History before anything happened. Tags, `description` and
 * scalars stay, but texts become `""` and arrays `[]`. Objects only keep their tags, listeners and `_sets`, which are
 * emptied as well.
 */
export function emptied(node: JsonNode): JsonNode {
  return jsonObject(
    members(node).map(([key, value]) => [key, isTag(key) || key === 'description' ? value : hollow(value)]),
  );
}

/** An emptied value of such a part. It also empties a `meta` and `_sets`. */
export function hollow(node: JsonNode): JsonNode {
  if (node.kind === 'array') return jsonOf([]);
  if (node.kind === 'scalar') return stringOf(node) === undefined ? node : jsonOf('');
  const kept = keepMembers(node, (key) => !isEntry(key));
  return jsonObject(members(kept).map(([key, value]) => [key, isTag(key) ? value : hollow(value)]));
}

/** The history of a Product that never had one. */
export function newHistory(dialect: Dialect): JsonNode {
  const texts = ['description', 'HIST_SCRIPT', 'PARAM_HISTORY', 'TASK_HISTORY'];
  const sets = dialect === 'classID' ? {} : { _STID: 'ODict' };
  return jsonObject([
    ...texts.map((key): [string, JsonNode] => [key, jsonOf('')]),
    ['meta', newMeta(dialect)],
    ['_sets', jsonOf(sets)],
    ...tagged(dialect, 'History'),
  ]);
}
