import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

/** A name has no more bytes than that on any disk of ours. */
const longest = 255;

/** A file's name as the disk has it, and how it is told in JSON. */
export interface ShownName {
  name: string;
  /** True if the name on the disk is no UTF-8, so that it had to be written otherwise. */
  escaped: boolean;
}

/**
 * The name by which a file is told. A name that is not UTF-8 has `%` and two hex digits for each byte that is no text,
 * and for each `%` of its own: so two such names never become one. What gets too long by it ends with its digest.
 */
export function shownName(bytes: Buffer): ShownName {
  if (isUtf8(bytes)) return { name: bytes.toString(), escaped: false };
  const name = escapedText(bytes);
  if (Buffer.byteLength(name) <= longest) return { name, escaped: true };
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  let kept = '';
  for (const character of name) {
    if (Buffer.byteLength(kept + character) > longest - digest.length - 1) break;
    kept += character;
  }
  return { name: `${kept}~${digest}`, escaped: true };
}

function escapedText(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((size) => isUtf8(bytes.subarray(at, at + size))) ?? 0;
    const character = bytes.toString('utf8', at, at + length);
    text += length === 0 || character === '%' ? hex(bytes[at] ?? 0) : character;
    at += Math.max(1, length);
  }
  return text;
}

const hex = (byte: number) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * Tells files apart that are told together: an escaped name that another file really has gets `~` behind it.
 *
 * @param files with their names; those that were not escaped keep theirs
 */
export function apart<T extends ShownName>(files: readonly T[]): T[] {
  const taken = new Set(files.filter(({ escaped }) => !escaped).map(({ name }) => name));
  return files.map((file) => {
    if (!file.escaped) return file;
    let { name } = file;
    while (taken.has(name)) name += '~';
    taken.add(name);
    return { ...file, name };
  });
}

/** What is said of files whose names had to be written otherwise; null if there are none. */
export function escapedNote(names: readonly string[], where: string): string | null {
  const [first, ...others] = names;
  if (first === undefined) return null;
  const shown = JSON.stringify(first.slice(0, 100));
  return others.length === 0
    ? `The name of a file in ${where} is not UTF-8; it is kept as ${shown}.`
    : `The names of ${names.length} files in ${where} are not UTF-8; they are kept under names such as ${shown}.`;
}
