import { bounds } from '../../domain/bounds.js';
import { checkFileDocument, type FileDocument } from '../../domain/json/file-document.js';
import { checkJsonBounds } from '../../domain/json/json-bounds.js';
import type { JsonNode } from '../../domain/json/json-node.js';
import { member, parseJsonText, plain, writeJsonText } from '../../domain/json/json-text.js';
import { PenstockError } from '../../lib/errors.js';
import { count } from '../../lib/wording.js';
import { invalid } from '../../usecases/body.js';
import { datasetContent, datasets, isProduct } from './products/product.js';

/** What a client sent with a command. */
export interface NodeRequest {
  /** The body as sent, without surrounding white space. Empty if there was none. */
  text: string;
  /** The parsed body, or null if there was none. */
  body: JsonNode | null;
}

/** Reads a body. It may always be empty. Throws `bad-json`, or `too-large` for too many values. */
export function readRequest(given: string): NodeRequest {
  const text = given.trim();
  checkJsonBounds(text, bounds.nodeValues);
  return { text, body: text === '' ? null : parseJsonText(text) };
}

/** Frees the memory of a request, because its run may take hours. */
export function forget(request: NodeRequest): void {
  request.text = '';
  request.body = null;
}

/** The member with this name. Throws if the body is not an object. */
export function partOf({ body }: NodeRequest, key: string): JsonNode | undefined {
  if (body === null) return undefined;
  if (body.kind !== 'object') {
    throw new PenstockError('invalid-body', 'The body must be empty or a JSON object.');
  }
  const part = member(body, key);
  return part?.kind === 'scalar' && part.text === 'null' ? undefined : part;
}

/** The longest timeout of a script, in seconds: ten years. */
const longestTimeout = 315_360_000;

/** The `timeout` of a request in seconds, or undefined. */
export function timeoutOf(request: NodeRequest): number | undefined {
  const part = partOf(request, 'timeout');
  if (part === undefined) return undefined;
  const seconds = plain(part);
  if (typeof seconds === 'number' && seconds > 0 && seconds <= longestTimeout) return seconds;
  const detail = `timeout must be a number of seconds, more than 0 and at most ${longestTimeout}, not ${writeJsonText(part).slice(0, 60)}`;
  throw invalid('invalid-body', [{ pointer: '/timeout', detail }]);
}

/** Who made a request and why, for the metadata of products. */
export function originOf(request: NodeRequest): { creator: string; rootCause: string } {
  const text = (key: string) => {
    const part = partOf(request, key);
    const value = part === undefined ? '' : plain(part);
    if (typeof value === 'string' && value.length <= bounds.keyLength) return value;
    const detail = `it must be a string of at most ${count(bounds.keyLength, 'character')}`;
    throw invalid('invalid-body', [{ pointer: `/${key}`, detail }]);
  };
  return { creator: text('creator'), rootCause: text('rootcause') };
}

/**
 * The files of an input, as a JSON document: those that it names, or the datasets of a Product. The text of the whole
 * Product goes into the file `whole`, unless a dataset has that name. Null if there is no input.
 */
export function filesOf(input: JsonNode | undefined, whole: string | undefined): string | null {
  if (input === undefined) return null;
  if (!isProduct(input)) {
    checkFiles(plain(input), '/input');
    return writeJsonText(input);
  }
  const files = new Map<string, FileDocument[string]>();
  if (whole !== undefined) files.set(whole, writeJsonText(input));
  for (const [name, dataset] of datasets(input)) files.set(name, contentOf(datasetContent(dataset)));
  const document = Object.fromEntries(files);
  checkFiles(document, '/input/_sets');
  return JSON.stringify(document);
}

/** The files of a request's input, as `filesOf` makes them, kept in memory until they are taken once. */
export function inputOf(request: NodeRequest, whole: string | undefined): () => string | null {
  let files = filesOf(partOf(request, 'input'), whole);
  return () => {
    const taken = files;
    files = null;
    return taken;
  };
}

function checkFiles(document: unknown, pointer: string): void {
  const problems = checkFileDocument(document, pointer);
  if (problems.length > 0) throw invalid('invalid-body', problems);
}

/** Text or bytes as a value in a document of files. */
export const contentOf = (content: string | Uint8Array): FileDocument[string] =>
  typeof content === 'string' ? content : { base64: Buffer.from(content).toString('base64') };
