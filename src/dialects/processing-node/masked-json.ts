import type { JsonNode } from '../../domain/json/json-node.js';
import { jsonOf, member, members, withMembers } from '../../domain/json/json-text.js';
import { maskedPassword as mask } from './shown-settings.js';

/** Keys of secrets, at any depth: `auth_pass`, `passwd`, `clientSecret`, `tokens`, … */
const secretKey = /pass|secret|token/i;

/** Replaces each text of such a key, or below one, by stars. The rest stays byte for byte. */
export function masked(node: JsonNode): JsonNode {
  return mapped(node, undefined, (text) => (isMask(text) ? text : jsonOf(mask)));
}

/** Replaces the stars of a secret by the value that `stored` has in the same place. */
export function unmasked(node: JsonNode, stored: JsonNode): JsonNode {
  return mapped(node, stored, (text, there) => (isMask(text) && there !== undefined ? there : text));
}

const isText = (node: JsonNode) => node.kind === 'scalar' && node.text.startsWith('"');
const isMask = (node: JsonNode) => node.kind === 'scalar' && isText(node) && JSON.parse(node.text) === mask;

type Change = (text: JsonNode, there: JsonNode | undefined) => JsonNode;

/** Changes the texts that are secrets. `there` is the same place in the other tree. */
function mapped(node: JsonNode, there: JsonNode | undefined, change: Change, secret = false): JsonNode {
  if (node.kind === 'scalar') return secret && isText(node) ? change(node, there) : node;
  if (node.kind === 'array') {
    const others = there?.kind === 'array' ? there.items : [];
    const items = node.items.map((item, index) => mapped(item, others[index], change, secret));
    return items.every((item, index) => item === node.items[index]) ? node : { kind: 'array', items };
  }
  const inside = (key: string, value: JsonNode) =>
    mapped(value, there && member(there, key), change, secret || secretKey.test(key));
  // This drops overridden duplicates of a key, which would otherwise show their values.
  if (node.entries.every(({ key, value }) => inside(key, value) === value)) return node;
  return withMembers(
    node,
    members(node).map(([key, value]) => [key, inside(key, value)]),
  );
}
