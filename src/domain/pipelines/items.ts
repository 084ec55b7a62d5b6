import { parseJsonText } from '../json/json-text.js';

/** The most items of a pipeline's step: each is a job of its own. */
export const mostItems = 1_000_000;

/** Finds the ends of lines while pieces of a file arrive. The last line need not have a line feed. */
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

  /** Call it when the whole file has arrived. */
  finish(): void {
    if (this.#offset > (this.ends.at(-1) ?? 0)) this.ends.push(this.#offset);
  }
}

/**
 * The elements of a JSON array, each as a program receives it: a string as its text, anything else as its JSON as
 * written. Throws if the text is not an array.
 */
export function jsonItems(text: string): string[] {
  const node = parseJsonText(text);
  if (node.kind !== 'array') throw new Error('it is not a JSON array');
  return node.items.map((item) => {
    if (item.kind === 'scalar')
      return item.text.startsWith('"') ? (JSON.parse(item.text) as string) : item.text;
    return item.text ?? '';
  });
}
