import type { JsonEntry, JsonNode, JsonObject } from './json-node.js';
import { parseJsonText } from './json-text-parser.js';

export { parseJsonText };

/** Tree → text: unchanged values exactly as they came, the rest with `", "` and `": "` between, as Python does. */
export function writeJsonText(node: JsonNode): string {
  if (node.kind === 'scalar') return node.text;
  if (node.text !== undefined) return node.text;
  if (node.kind === 'array') return `[${node.items.map(writeJsonText).join(', ')}]`;
  return `{${node.entries.map(({ written, value }) => `${written}: ${writeJsonText(value)}`).join(', ')}}`;
}

/** The members of an object in order of first appearance, the last duplicate winning; none of anything else. */
export function members(node: JsonNode): [string, JsonNode][] {
  return [...new Map(entriesOf(node).map(({ key, value }) => [key, value]))];
}

/** The value of a member, the last of duplicates; undefined if there is none, or the node is not an object. */
export function member(node: JsonNode, key: string): JsonNode | undefined {
  return entriesOf(node).findLast((entry) => entry.key === key)?.value;
}

/** The object with this member, in its old place or else at the end. Any other node counts as an empty object. */
export function withMember(node: JsonNode, key: string, value: JsonNode): JsonObject {
  return withMembers(node, [[key, value]]);
}

/** The object with these members, each as by `withMember`. */
export function withMembers(node: JsonNode, added: readonly (readonly [string, JsonNode])[]): JsonObject {
  return merged([...entriesOf(node), ...added.map(([key, value]) => entryOf(key, value))]);
}

/** The object with only the members that the predicate wants. Any other node counts as an empty object. */
export function keepMembers(node: JsonNode, wanted: (key: string, value: JsonNode) => boolean): JsonObject {
  return merged(merged(entriesOf(node)).entries.filter(({ key, value }) => wanted(key, value)));
}

/** An object of these members; of duplicates the last wins, at the place of the first. */
export function jsonObject(entries: readonly (readonly [string, JsonNode])[]): JsonObject {
  return merged(entries.map(([key, value]) => entryOf(key, value)));
}

const entriesOf = (node: JsonNode): readonly JsonEntry[] => (node.kind === 'object' ? node.entries : []);
const entryOf = (key: string, value: JsonNode): JsonEntry => ({ key, written: JSON.stringify(key), value });

/** Members that were not touched keep the spelling of their keys. */
function merged(entries: readonly JsonEntry[]): JsonObject {
  const byKey = new Map<string, JsonEntry>();
  for (const entry of entries) {
    const before = byKey.get(entry.key);
    byKey.set(entry.key, before === undefined ? entry : { ...entry, written: before.written });
  }
  return { kind: 'object', entries: [...byKey.values()] };
}

/** A number or another scalar as it is to be written, such as `5400.0`. It is not checked. */
export function rawJson(text: string): JsonNode {
  return { kind: 'scalar', text };
}

/** A plain value → tree, as `JSON.stringify` would read it, but with NaN and the infinities as Python writes them. */
export function jsonOf(value: unknown): JsonNode {
  if (Array.isArray(value)) return { kind: 'array', items: value.map(jsonOf) };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return jsonObject(entries.map(([key, item]) => [key, jsonOf(item)]));
  }
  if (typeof value === 'number') return rawJson(Object.is(value, -0) ? '-0' : String(value));
  return rawJson(JSON.stringify(value) ?? 'null');
}

/**
 * Tree → plain value, as `JSON.parse` would give it; order and spelling are lost. Long texts are not copied.
 *
 * @param numberOf what to make of a number, by how it is written; without it, a number
 */
export function plain(node: JsonNode, numberOf: (text: string) => unknown = Number): unknown {
  if (node.kind === 'array') return node.items.map((item) => plain(item, numberOf));
  // fromEntries, because `__proto__` is a legal key and assigning to it would lose it.
  if (node.kind === 'object')
    return Object.fromEntries(members(node).map(([key, item]) => [key, plain(item, numberOf)]));
  const { text } = node;
  // A long string without escapes need not be copied. A slice keeps the whole text in memory, so short ones are.
  if (text.length > 10_000 && text.startsWith('"') && !text.includes('\\')) return text.slice(1, -1);
  return /^[-0-9NI]/.test(text) ? numberOf(text) : JSON.parse(text);
}

/**
 * The text of a member's value, to be passed on byte for byte; the last one of duplicates.
 *
 * @returns undefined if there is no such member, or the text is not an object
 * @throws {PenstockError} bad-json
 */
export function rawMember(text: string, key: string): string | undefined {
  const found = member(parseJsonText(text), key);
  return found === undefined ? undefined : writeJsonText(found);
}
