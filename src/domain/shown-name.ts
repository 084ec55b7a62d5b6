import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';

/** The most bytes of a name on our file systems. */
const longest = 255;

/** A file's name on disk, and how it is shown in JSON. */
export interface ShownName {
  name: string;
  /** True if the name on disk is not UTF-8, so that it had to be escaped. */
  escaped: boolean;
}

/**
 * The name under which a file is shown. In a name that is not UTF-8, each byte that is not text and each `%` becomes
 * `%` and two hex digits, so that two such names stay different. A name that gets too long ends with its digest.
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
 * Keeps the names of files that are shown together distinct: an escaped name that another file really has gets a `~` at
 * its end.
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

/** A note about files whose names had to be escaped; null if there are none. */
export function escapedNote(names: readonly string[], where: string): string | null {
  const [first, ...others] = names;
  if (first === undefined) return null;
  const shown = JSON.stringify(first.slice(0, 100));
  return others.length === 0
    ? `The name of a file in ${where} is not UTF-8; it is kept as ${shown}.`
    : `The names of ${names.length} files in ${where} are not UTF-8; they are kept under names such as ${shown}.`;
}
