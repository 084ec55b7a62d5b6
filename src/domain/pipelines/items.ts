import { parseJsonText } from '../json/json-text.js';

/** A pipeline's step has no more items than this: each is a job of its own. */
export const mostItems = 1_000_000;

/** Finds where lines end, in pieces of a file as they come. A last line need not have a line feed. */
export class LineEnds {
  /** Offset of the byte after each line. */
  readonly ends: number[] = [];
  #offset = 0;

  add(piece: Uint8Array): void {
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) {
      this.ends.push(this.#offset + at + 1);
    }
    this.#offset += piece.length;
  }

  /** When all has come. */
  finish(): void {
    if (this.#offset > (this.ends.at(-1) ?? 0)) this.ends.push(this.#offset);
  }
}

/**
 * The elements of a JSON array, each as a program is to be given it: a string as its text, all else as the JSON that
 * it was written as. Throws if it is no array.
 */
export function jsonItems(text: string): string[] {
  const node = parseJsonText(text);
  if (node.kind !== 'array') throw new Error('it is no JSON array');
  return node.items.map((item) => {
    if (item.kind === 'scalar')
      return item.text.startsWith('"') ? (JSON.parse(item.text) as string) : item.text;
    return item.text ?? '';
  });
}
