import { PenstockError } from '../../lib/errors.js';
import { bounds } from '../bounds.js';
import type { JsonEntry, JsonNode } from './json-node.js';

/**
 * Text → tree. Strict JSON plus NaN, Infinity and -Infinity, which Python's `json` writes and reads. Texts of many
 * megabytes are scanned by the engine's own searches, and nothing is copied.
 *
 * @throws {PenstockError} bad-json, with line and column, for a text that is not JSON or is nested deeper than 200
 * levels
 */
export function parseJsonText(text: string): JsonNode {
  const backslash = next((from) => text.indexOf('\\', from));
  const control = next((from) => indexOfControl(text, from));
  let at = 0;
  let depth = 0;

  const fail = (why: string, place = at): never => {
    const before = text.slice(0, place).split(/\r\n|\r|\n/);
    throw badJson(why, before.length, (before.at(-1)?.length ?? 0) + 1);
  };

  function skipBlanks(): void {
    for (;;) {
      const code = text.charCodeAt(at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      at += 1;
    }
  }

  function value(): JsonNode {
    skipBlanks();
    if (text[at] === '{' || text[at] === '[') return nested();
    return { kind: 'scalar', text: text[at] === '"' ? string() : word() };
  }

  function nested(): JsonNode {
    if (depth === bounds.depth) fail(`it is nested deeper than ${bounds.depth} levels`);
    depth += 1;
    const start = at;
    const isObject = text[at] === '{';
    const items: JsonNode[] = [];
    const entries: JsonEntry[] = [];
    list(isObject ? '}' : ']', () => {
      if (isObject) entries.push(entry());
      else items.push(value());
    });
    depth -= 1;
    const written = text.slice(start, at);
    return isObject ? { kind: 'object', entries, text: written } : { kind: 'array', items, text: written };
  }

  /** What stands between brackets, with commas between. */
  function list(close: string, one: () => void): void {
    at += 1;
    skipBlanks();
    for (let first = true; text[at] !== close; first = false) {
      if (!first) {
        if (text[at] !== ',') fail(`expected a comma or ${close}`);
        at += 1;
      }
      one();
      skipBlanks();
    }
    at += 1;
  }

  function entry(): JsonEntry {
    skipBlanks();
    if (text[at] !== '"') fail('expected a key in double quotes');
    const written = string();
    skipBlanks();
    if (text[at] !== ':') fail('expected a colon');
    at += 1;
    const key = written.includes('\\') ? (JSON.parse(written) as string) : written.slice(1, -1);
    return { key, written, value: value() };
  }

  function string(): string {
    const start = at;
    let quote = text.indexOf('"', start + 1);
    const isPlain = backslash(start) > quote;
    if (!isPlain) quote = endOfString(text, start, quote);
    if (quote === -1) fail('the string is not closed');
    if (control(start) < quote) fail('a control character in a string must be escaped', start);
    at = quote + 1;
    const written = text.slice(start, at);
    if (!isPlain && !isJson(written)) fail('the string has an invalid escape', start);
    return written;
  }

  /** A number, or one of the words. */
  function word(): string {
    const start = at;
    // Most words are numbers, and there may be many.
    plainNumber.lastIndex = start;
    if (plainNumber.test(text)) at = plainNumber.lastIndex;
    if (at > start && !isOfWord(text.charCodeAt(at))) return text.slice(start, at);
    while (isOfWord(text.charCodeAt(at))) at += 1;
    const written = text.slice(start, at);
    if (written === '') fail('expected a value');
    if (!/^(NaN|-?Infinity)$/.test(written) && !isJson(written)) fail('this is not a value', start);
    return written;
  }

  const node = value();
  skipBlanks();
  if (at < text.length) fail('expected the end of the text');
  return node;
}

const plainNumber = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

/** Line and column count from 1. */
const badJson = (why: string, line: number, column: number): PenstockError =>
  new PenstockError('bad-json', `The JSON cannot be read at line ${line}, column ${column}: ${why}.`);

/** Finds the next place of something for ever larger `from`, and searches for each place only once. */
function next(find: (from: number) => number): (from: number) => number {
  let found = -1;
  return (from) => {
    if (found < from) {
      const place = find(from);
      found = place === -1 ? Number.POSITIVE_INFINITY : place;
    }
    return found;
  };
}

function indexOfControl(text: string, from: number): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it must match them
  const controls = /[\0-\x1f]/g;
  controls.lastIndex = from;
  return controls.exec(text)?.index ?? -1;
}

/** The quote that ends a string: the first from `from` on that does not follow an odd number of backslashes. */
function endOfString(text: string, start: number, from: number): number {
  for (let quote = from; quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (before - 1 > start && text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote;
  }
  return -1;
}

/** Whether a character may be part of a number or a word of JSON: letters, digits, sign and point. */
export const isOfWord = (code: number) =>
  (code >= 0x30 && code <= 0x39) ||
  (code >= 0x61 && code <= 0x7a) ||
  (code >= 0x41 && code <= 0x5a) ||
  code === 0x2b ||
  code === 0x2d ||
  code === 0x2e;

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
