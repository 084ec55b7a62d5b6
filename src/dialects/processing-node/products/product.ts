import type { JsonNode } from '../../../domain/json/json-node.js';
import {
  jsonObject,
  jsonOf,
  keepMembers,
  member,
  members,
  parseJsonText,
  withMember,
  withMembers,
} from '../../../domain/json/json-text.js';
import { PenstockError } from '../../../lib/errors.js';
import { datasetContent, datasets, newDataset, setsKey } from './product-datasets.js';
import { firstEntry, metaFrom } from './product-meta.js';
import { type Dialect, dialectOf, emptied, isTag, newHistory, tagged, tagOf } from './product-parts.js';

export { datasetContent, datasets } from './product-datasets.js';

/**
 * What an answer is made from. Answers are Products too. We know no classes: an answer is the Product of the request with
 * other values, so that a client gets the dialect that it sent.
 */
interface ProductRequest {
  creator: string;
  rootCause: string;
  /** The Product of the request. */
  input: JsonNode;
  now: Date;
}

/**
 * Whether this is a Product: an object with a class tag (a text under `classID` or `_STID`), or with a `meta` that is an
 * object. The other possible input, an object of file name → text or `{"base64": …}`, has neither, unless a file is named
 * like a tag. A file may be named `meta`.
 */
export function isProduct(node: JsonNode): boolean {
  const meta = member(node, 'meta');
  return tagOf(node) !== undefined || (meta?.kind === 'object' && member(meta, 'base64') === undefined);
}

/**
 * The content of the dataset `theName`, which `testrun` works on.
 *
 * @throws {PenstockError} invalid-body if the input is not a Product or has no such dataset
 */
export function theName(input: JsonNode): string | Uint8Array {
  return datasetContent(theNameOf(input));
}

function theNameOf(input: JsonNode): JsonNode {
  mustBeProduct(input);
  const sets = datasets(input);
  const found = sets.findLast(([name]) => name === 'theName')?.[1];
  if (found !== undefined) return found;
  const names = sets.slice(0, 10).map(([name]) => JSON.stringify(name.slice(0, 40)));
  const others = names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`;
  throw new PenstockError('invalid-body', `The Product in "input" has no dataset "theName"; ${others}.`);
}

function mustBeProduct(input: JsonNode): void {
  if (isProduct(input)) return;
  const detail =
    'The "input" is not a Product, which is an object with "meta", or with a class in "classID" or "_STID".';
  throw new PenstockError('invalid-body', detail);
}

/** A new Product from another: of the class Product, with this `meta`, these datasets, and an empty history. */
function productFrom(input: JsonNode, meta: JsonNode, sets: [string, JsonNode][]): JsonNode {
  const dialect = dialectOf(input);
  const history = member(input, 'history');
  const key = setsKey(input);
  const tags = keepMembers(member(input, key) ?? jsonOf({}), isTag);
  const product = withMembers(input, [
    ['meta', meta],
    [key, jsonObject([...sets, ...members(tags)])],
    ['history', history?.kind === 'object' ? emptied(history) : newHistory(dialect)],
  ]);
  return withTag(product, dialect, 'Product');
}

/** The same object with this class: changes its tag, or adds one of the dialect. */
function withTag(node: JsonNode, dialect: Dialect, name: string): JsonNode {
  const tag = tagOf(node);
  return tag === undefined
    ? withMembers(node, tagged(dialect, name))
    : withMember(node, tag.key, jsonOf(name));
}

/**
 * The answer of `testcalc`: the mandatory attributes and the first entry of the input's `meta`, its first dataset, a
 * table `Spectrum` (`spectrum` in the `_STID` dialect), and in the `classID` dialect a text `QualityImage`. The answer's
 * own attributes override the first entry, except for `description`.
 *
 * @throws {PenstockError} invalid-body if the input is not a Product
 */
export function testProduct(request: ProductRequest): JsonNode {
  const { input, creator, rootCause, now } = request;
  mustBeProduct(input);
  const dialect = dialectOf(input);
  const kept = firstEntry(input);
  const texts = {
    ...(kept === 'description' ? {} : { description: 'UNKNOWN' }),
    ...{ creator, instrument: 'MyFavourite', rootCause, modelName: 'Flight', type: 'test' },
  };
  const [first] = datasets(input);
  const table = spectrum(dialect, first?.[1] ?? jsonOf({}));
  const ours: [string, JsonNode][] =
    dialect === 'classID'
      ? [
          ['Spectrum', table],
          ['QualityImage', jsonOf('aQualityImage')],
        ]
      : [['spectrum', table]];
  const sets = first === undefined ? ours : [first, ...ours];
  return productFrom(input, metaFrom(input, { texts, now, kept }), sets);
}

/** The table, with its well-known numbers. Only the `_STID` dialect has a place for units. */
function spectrum(dialect: Dialect, model: JsonNode): JsonNode {
  const column = (description: string, unit: string, numbers: string): JsonNode => {
    const data = parseJsonText(numbers);
    return dialect === 'classID'
      ? data
      : newDataset(model, dialect, { name: 'Column', description, data, unit });
  };
  const data = jsonObject([
    ['col1', column('energy', 'eV', '[1, 4.4, 5400.0]')],
    ['col2', column('counts', 'cnt', '[0, 43.2, 2000.0]')],
    ...(dialect === '_STID' ? tagged(dialect, 'ODict') : []),
  ]);
  return newDataset(model, dialect, { name: 'TableDataset', description: 'A spectrum', data });
}

/**
 * The answer of `testrun`: a Product with one dataset `theAnswer`, which is `theName` of the request with the answer
 * as its data.
 *
 * @param answer the text that the script wrote
 * @throws {PenstockError} invalid-body if the input is not a Product or has no dataset `theName`
 */
export function answerProduct(request: ProductRequest, answer: string): JsonNode {
  const { input, creator, rootCause, now } = request;
  const question = theNameOf(input);
  const dialect = dialectOf(input);
  const description = 'What the script answered';
  const data = jsonOf(answer);
  const dataset =
    question.kind === 'object'
      ? withTag(
          withMembers(question, [
            ['description', jsonOf(description)],
            ['data', data],
          ]),
          dialect,
          'GenericDataset',
        )
      : newDataset(question, dialect, { name: 'GenericDataset', description, data });
  const texts = {
    description: 'Demo pipeline product',
    ...{ creator, instrument: 'hello', rootCause, modelName: 'you know what!', type: 'test' },
  };
  return productFrom(input, metaFrom(input, { texts, now }), [['theAnswer', dataset]]);
}
