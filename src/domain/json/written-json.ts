/**
 * JSON whose numbers are passed on as they were written. JavaScript does not distinguish `1` and `1.0` and rounds
 * `12345678901234567890`; clients in other languages see the difference. Values stay plain, so that any code can use
 * them; the spelling of numbers that would lose it is remembered beside the object or list that holds them. A copy of
 * such an object loses it: see `copyWritten`.
 */
const written = new WeakMap<object, Map<string, string>>();

const losesWriting = (token: string): boolean => token === '-0' || String(Number(token)) !== token;

/** True if a JSON text has such a number. It uses the engine's own searches, since strings may be megabytes long. */
function hasAny(text: string): boolean {
  const numberOrText = /-?\d[\d.eE+-]*|"/g;
  for (let found = numberOrText.exec(text); found !== null; found = numberOrText.exec(text)) {
    if (found[0] !== '"') {
      if (losesWriting(found[0])) return true;
    } else numberOrText.lastIndex = endOfText(text, found.index) + 1;
  }
  return false;
}

/** The quote that ends the string which begins at `start`: the first that does not follow an odd number of backslashes. */
function endOfText(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let before = quote;
    while (text[before - 1] === '\\') before -= 1;
    if ((quote - before) % 2 === 0) return quote;
  }
  return text.length;
}

/** `JSON.parse`, except that numbers keep their spelling. Throws what it throws. */
export function parseWritten(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (hasAny(text)) remember(value, text);
  return value;
}

/** An object or list that the text is inside of, and the member that comes next. */
interface Frame {
  holder: object;
  /** In an object: undefined until the key has been read. */
  key: string | number | undefined;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const memberOf = (holder: object, key: string | number | undefined): unknown =>
  (holder as Record<string, unknown>)[String(key)];

/** Walks through a text and the value parsed from it in step. */
function remember(value: unknown, text: string): void {
  const frames: Frame[] = [];
  const token = /-?\d[\d.eE+-]*|["{}[\],]/g;
  for (let found = token.exec(text); found !== null; found = token.exec(text)) {
    const [sign] = found;
    const top = frames.at(-1);
    if (sign === '{' || sign === '[') {
      const inner = top === undefined ? value : memberOf(top.holder, top.key);
      // If a key comes twice, the first value is not in the object.
      frames.push({ holder: isObject(inner) ? inner : {}, key: sign === '{' ? undefined : 0 });
    } else if (sign === '}' || sign === ']') frames.pop();
    else if (sign === '"') {
      const end = endOfText(text, found.index) + 1;
      if (top !== undefined && top.key === undefined)
        top.key = JSON.parse(text.slice(found.index, end)) as string;
      token.lastIndex = end;
    } else if (top === undefined) return;
    else if (sign === ',') top.key = typeof top.key === 'number' ? top.key + 1 : undefined;
    else if (losesWriting(sign)) keep(top.holder, String(top.key), sign);
    else written.get(top.holder)?.delete(String(top.key));
  }
}

function keep(holder: object, key: string, text: string): void {
  const known = written.get(holder);
  if (known === undefined) written.set(holder, new Map([[key, text]]));
  else known.set(key, text);
}

/** A copy of an object, or of part of it, that keeps the spelling of its numbers. */
export function copyWritten<T extends object>(from: object, copy: T): T {
  for (const [key, text] of written.get(from) ?? []) {
    if (memberOf(copy, key) === memberOf(from, key)) keep(copy, key, text);
  }
  return copy;
}

/** The remembered spelling of a member's number, if there is one and the number is still the same. */
export function writtenNumber(holder: object, key: string | number, item: unknown): string | undefined {
  if (typeof item !== 'number') return undefined;
  const text = written.get(holder)?.get(String(key));
  return text !== undefined && Number(text) === item ? text : undefined;
}

/**
 * `JSON.stringify` of plain values, except that numbers are written as they came.
 *
 * @param indent spaces for each level; 0: all in one line, without spaces
 */
export function stringifyWritten(value: unknown, indent = 0): string {
  return text(value, indent, '\n');
}

/** `line` is what begins a line at the level of the value. */
function text(value: unknown, indent: number, line: string): string {
  if (!isObject(value) || value instanceof Date) return JSON.stringify(value) ?? 'null';
  const inner = `${line}${' '.repeat(indent)}`;
  const textOf = (key: string | number, item: unknown) =>
    writtenNumber(value, key, item) ?? text(item, indent, inner);
  const isList = Array.isArray(value);
  const colon = indent > 0 ? ': ' : ':';
  const parts = isList
    ? value.map((item, index) => textOf(index, item))
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}${colon}${textOf(key, item)}`);
  const all = indent > 0 && parts.length > 0 ? `${inner}${parts.join(`,${inner}`)}${line}` : parts.join(',');
  return isList ? `[${all}]` : `{${all}}`;
}
