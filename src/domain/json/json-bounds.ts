import { PenstockError } from '../../lib/errors.js';
import { below } from '../../lib/pointer.js';
import { count, shorten } from '../../lib/wording.js';
import { bounds } from '../bounds.js';
import { isOfWord } from './json-text-parser.js';

/** A list or object that the scan is inside of. */
interface Level {
  isObject: boolean;
  /** Keys or commas so far. */
  count: number;
  /** Where the latest key starts, quotes included; unused in a list. */
  keyFrom: number;
  keyTo: number;
}

/**
 * Refuses JSON text that is larger than anybody needs, before it is parsed: parsed values take memory, and going
 * through them holds up everybody else. Makes one pass over the text, which need not be valid JSON.
 *
 * @param most how many values there may be
 * @throws {PenstockError} too-large for too many values or keys, bad-json for nesting, keys and numbers; each names the
 *   place and the bound
 */
export function checkJsonBounds(text: string, most: number = bounds.values): void {
  const levels: Level[] = [];
  let values = 0;
  let backslash = -1;
  let stringFrom = 0;
  let stringTo = 0;

  /** The end of a string: the index after its closing quote. */
  function afterString(from: number): number {
    if (backslash < from) {
      const next = text.indexOf('\\', from);
      backslash = next === -1 ? text.length : next;
    }
    const quote = text.indexOf('"', from + 1);
    if (quote === -1) return text.length;
    if (quote < backslash) return quote + 1;
    for (let at = backslash; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      if (code === 0x22) return at + 1;
      if (code === 0x5c) at += 1;
    }
    return text.length;
  }

  /** A JSON pointer to the list or object that the scan is in. */
  const place = () =>
    levels
      .slice(0, -1)
      .reduce(
        (pointer, level) =>
          below(
            pointer,
            level.isObject ? shorten(text.slice(level.keyFrom + 1, level.keyTo - 1)) : level.count,
          ),
        '',
      );
  const refuse = (code: 'too-large' | 'bad-json', detail: string): never => {
    const pointer = place();
    throw new PenstockError(code, `${pointer || '/'}: ${detail}`, { problems: [{ pointer, detail }] });
  };

  function open(isObject: boolean): void {
    levels.push({ isObject, count: 0, keyFrom: 0, keyTo: 0 });
    if (levels.length > bounds.depth) {
      throw new PenstockError('bad-json', `The JSON is nested deeper than ${bounds.depth} levels.`);
    }
  }

  function key(): void {
    const level = levels.at(-1);
    if (level === undefined) return;
    level.count += 1;
    level.keyFrom = stringFrom;
    level.keyTo = stringTo;
    if (level.count > bounds.keys)
      refuse('too-large', `an object may have at most ${count(bounds.keys, 'key')}`);
    if (stringTo - stringFrom - 2 <= bounds.keyLength) return;
    const name = nameOf(text.slice(stringFrom, stringTo));
    if (name.length <= bounds.keyLength) return;
    const longest = count(bounds.keyLength, 'character');
    refuse(
      'bad-json',
      `a key may have at most ${longest}; ${JSON.stringify(shorten(name))} has ${name.length}`,
    );
  }

  /** The end of a number or a word. */
  function afterWord(from: number): number {
    let at = from;
    while (at < text.length && isOfWord(text.charCodeAt(at))) at += 1;
    if (at - from > bounds.numberLength) {
      const longest = count(bounds.numberLength, 'character');
      refuse(
        'bad-json',
        `a number may have at most ${longest}; ${shorten(text.slice(from, from + 100))} has ${at - from}`,
      );
    }
    // Anything that cannot be JSON is left for the parser to refuse.
    return Math.max(at, from + 1);
  }

  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      stringFrom = at;
      stringTo = afterString(at);
      at = stringTo;
      values += 1;
    } else if (code === 0x7b || code === 0x5b) {
      values += 1;
      open(code === 0x7b);
      at += 1;
    } else if (code === 0x7d || code === 0x5d) {
      levels.pop();
      at += 1;
    } else if (code === 0x3a) {
      // The string before it was a key.
      values -= 1;
      key();
      at += 1;
    } else if (code === 0x2c) {
      const level = levels.at(-1);
      if (level !== undefined && !level.isObject) level.count += 1;
      at += 1;
    } else if (code <= 0x20) {
      at += 1;
    } else {
      values += 1;
      at = afterWord(at);
    }
    if (values > most) {
      refuse('too-large', `at this point the body exceeds its limit of ${count(most, 'value')}`);
    }
  }
}

/** A key with its escapes decoded. */
function nameOf(written: string): string {
  try {
    return JSON.parse(written) as string;
  } catch {
    return written;
  }
}
