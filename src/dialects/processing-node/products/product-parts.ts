import type { JsonNode, JsonObject } from '../../../domain/json/json-node.js';
import { jsonObject, jsonOf, keepMembers, member, members } from '../../../domain/json/json-text.js';

/** The two dialects of Products, each by the key that names a class in it: `classID` in v0.6, `_STID` in v0.8. */
export type Dialect = 'classID' | '_STID';

const tags: ReadonlySet<string> = new Set(['classID', '_STID', 'version']);
const listeners: ReadonlySet<string> = new Set(['listenersurn', 'listeners']);

/** Whether a key says what an object is, and so names neither a dataset nor an entry of `meta`. */
export const isTag = (key: string): boolean => tags.has(key);

/** Whether a key of `meta`, or of the `_sets` in it, is one of its entries. */
export const isEntry = (key: string): boolean => !isTag(key) && !listeners.has(key) && key !== '_sets';

/** The text of a JSON string; undefined for anything else. */
export function stringOf(node: JsonNode | undefined): string | undefined {
  return node?.kind === 'scalar' && node.text.startsWith('"') ? (JSON.parse(node.text) as string) : undefined;
}

/** Which class an object says that it is of, and by which key; undefined if it does not. */
export function tagOf(node: JsonNode | undefined): { key: Dialect; name: string } | undefined {
  for (const key of ['_STID', 'classID'] as const) {
    const name = node === undefined ? undefined : stringOf(member(node, key));
    if (name !== undefined) return { key, name };
  }
  return undefined;
}

/** The dialect of a Product, told from its tag or else that of its `meta`; `classID` where neither has one. */
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
 * A part of a Product with the same keys and nothing in them, such as a History before anything happened. Tags and
 * `description` stay, texts become `""`, arrays `[]`, other scalars stay, and what is an object holds on to its
 * tags, listeners and `_sets` alone, these empty as well.
 */
export function emptied(node: JsonNode): JsonNode {
  return jsonObject(
    members(node).map(([key, value]) => [key, isTag(key) || key === 'description' ? value : hollow(value)]),
  );
}

/** A value of that part; a `meta` and a `_sets` are emptied by it, too. */
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
