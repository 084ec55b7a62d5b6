import { printParseErrorCode, visit } from 'jsonc-parser';
import { PenstockError } from '../errors.js';
import type { JsonEntry, JsonNode } from './json-text.js';

/** Deeper than anybody means, and shallower than the stack. */
const deepest = 200;

/** An array or object whose end has not come yet; `member` is the key that the next value belongs to. */
interface Open {
  start: number;
  items: JsonNode[];
  entries: JsonEntry[];
  member: { key: string; written: string } | undefined;
}

const openAt = (start: number): Open => ({ start, items: [], entries: [], member: undefined });

/**
 * Text → tree. Strict JSON, and besides NaN, Infinity and -Infinity, which Python's `json` writes and reads.
 *
 * @throws {PenstockError} bad-json, with line and column, for what is no JSON or is nested deeper than 200 levels
 */
export function parseJsonText(text: string): JsonNode {
  const strict = withoutNan(text);
  const root = openAt(0);
  const stack: Open[] = [];
  let inner = root;
  const add = (value: JsonNode) => {
    const { member } = inner;
    if (member === undefined) inner.items.push(value);
    else inner.entries.push({ key: member.key, written: member.written, value });
  };
  const begin = (offset: number, _length: number, line: number, column: number) => {
    const isStandIn = text[offset] !== strict[offset];
    if (stack.length >= deepest && !isStandIn) {
      throw badJson(`it is nested deeper than ${deepest} levels`, line, column);
    }
    stack.push(inner);
    inner = openAt(offset);
  };
  const end = (kind: 'object' | 'array') => (offset: number, length: number) => {
    const { start, items, entries } = inner;
    const written = text.slice(start, offset + length);
    inner = stack.pop() ?? root;
    if (text[start] !== strict[start]) add({ kind: 'scalar', text: written });
    else add(kind === 'object' ? { kind, entries, text: written } : { kind, items, text: written });
  };
  visit(
    strict,
    {
      onObjectBegin: begin,
      onArrayBegin: begin,
      onObjectProperty: (key, offset, length) => {
        inner.member = { key, written: text.slice(offset, offset + length) };
      },
      onLiteralValue: (_value, offset, length) =>
        add({ kind: 'scalar', text: text.slice(offset, offset + length) }),
      onObjectEnd: end('object'),
      onArrayEnd: end('array'),
      // Thrown at the first one, which also ends the recursion of the visit.
      onError: (code, _offset, _length, line, column) => {
        throw badJson(
          printParseErrorCode(code)
            .replace(/(?<!^)([A-Z])/g, ' $1')
            .toLowerCase(),
          line,
          column,
        );
      },
    },
    { disallowComments: true },
  );
  const [node] = root.items;
  if (node === undefined) throw badJson('there is no value', 0, 0);
  mustBeStrict(strict);
  return node;
}

/** The one who decides what JSON is; whatever the visit let pass ends here. */
function mustBeStrict(text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const offset = Number(/at position (\d+)/.exec(String(error))?.[1] ?? 0);
    const before = text.slice(0, offset).split('\n');
    throw badJson('it is not strict', before.length - 1, before.at(-1)?.length ?? 0);
  }
}

/** Line and column as they are counted from 0. */
const badJson = (why: string, line: number, column: number): PenstockError =>
  new PenstockError('bad-json', `The JSON cannot be read at line ${line + 1}, column ${column + 1}: ${why}.`);

/**
 * A text of the same length in which empty arrays stand for NaN and the infinities. Nothing else would do: next to
 * a digit or a sign, or as a key, an array is as wrong as what it stands for.
 */
function withoutNan(text: string): string {
  if (!/NaN|Infinity/.test(text)) return text;
  const marks = /"|NaN|-?Infinity/g;
  const pieces: string[] = [];
  let done = 0;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] === '"') {
      marks.lastIndex = endOfString(text, mark.index);
      continue;
    }
    pieces.push(text.slice(done, mark.index), `[${' '.repeat(mark[0].length - 2)}]`);
    done = marks.lastIndex;
  }
  return [...pieces, text.slice(done)].join('');
}

/** After the quote that ends the string: the first that no odd number of backslashes stands before. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  return text.length;
}
