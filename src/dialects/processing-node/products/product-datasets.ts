import type { JsonNode } from '../../../domain/json/json-node.js';
import { jsonObject, jsonOf, member, members, writeJsonText } from '../../../domain/json/json-text.js';
import { PenstockError } from '../../../lib/errors.js';
import { type Dialect, hollow, isTag, newMeta, stringOf, tagged, tagOf } from './product-parts.js';

/** The key of the datasets: `_sets`, or `sets` if only that is an object. */
export const setsKey = (product: JsonNode): '_sets' | 'sets' =>
  member(product, '_sets')?.kind !== 'object' && member(product, 'sets')?.kind === 'object'
    ? 'sets'
    : '_sets';

/** The datasets of a Product by name, in order. Empty without `_sets` (or `sets`). */
export function datasets(product: JsonNode): [string, JsonNode][] {
  const sets = member(product, setsKey(product));
  return sets === undefined ? [] : members(sets).filter(([key]) => !isTag(key));
}

/**
 * A dataset as the content of a file: its `data`, or the dataset itself if it has none. Text and bytes become themselves,
 * and anything else becomes the JSON text as written.
 *
 * @throws {PenstockError} invalid-body for bytes that are not hexadecimal digits
 */
export function datasetContent(dataset: JsonNode): string | Uint8Array {
  const data = member(dataset, 'data') ?? dataset;
  return stringOf(data) ?? bytesOf(data) ?? writeJsonText(data);
}

/** The bytes of `{"hex": …, "classID": "bytes"}` or `{"code": …, "_STID": "bytes"}`. Undefined for anything else. */
function bytesOf(node: JsonNode): Uint8Array | undefined {
  const tag = tagOf(node);
  if (tag?.name !== 'bytes') return undefined;
  const key = tag.key === 'classID' ? 'hex' : 'code';
  const digits = stringOf(member(node, key));
  if (digits === undefined || digits.length % 2 === 1 || /[^0-9a-f]/i.test(digits)) {
    throw new PenstockError('invalid-body', `"${key}" of bytes must be pairs of hexadecimal digits.`);
  }
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/**
 * A new dataset in the shape of another one of its dialect.
 *
 * @param model the other one; in the `_STID` dialect, the new one gets its further attributes, but empty
 * @param own `name` is the class; a `unit` only if the dialect has one
 */
export function newDataset(
  model: JsonNode,
  dialect: Dialect,
  own: { name: string; description: string; data: JsonNode; unit?: string },
): JsonNode {
  const meta = member(model, 'meta');
  const attributes = ['type', 'unit', 'typecode', 'version', 'FORMATV'].flatMap(
    (key): [string, JsonNode][] => {
      if (key === 'unit' && own.unit !== undefined) return [[key, jsonOf(own.unit)]];
      const found = member(model, key);
      if (found === undefined) return [];
      return [[key, key === 'version' || key === 'FORMATV' ? found : hollow(found)]];
    },
  );
  return jsonObject([
    ['description', jsonOf(own.description)],
    ['meta', meta?.kind === 'object' ? hollow(meta) : newMeta(dialect)],
    ['data', own.data],
    ...(dialect === '_STID' ? attributes : []),
    ...tagged(dialect, own.name),
  ]);
}
