import { type FileHandle, readFile, stat } from 'node:fs/promises';
import { bounds } from '../../domain/bounds.js';
import { checkFileDocument, type FileDocument, filesOf } from '../../domain/json/file-document.js';
import { checkJsonBounds } from '../../domain/json/json-bounds.js';
import { parseJsonText, plain } from '../../domain/json/json-text.js';
import { apart } from '../../domain/shown-name.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { jsonPieces, openPlainFile, type PlainFile, plainFile, plainFiles } from '../files/folder-files.js';

/** The largest input: all of it is in memory, since every file is checked before the first is written. */
const largestInput = 256 * 1024 * 1024;

/** The files of an input, by name. An empty input, such as a POST without a body, has none. */
export async function readDocument(file: string): Promise<Map<string, string | Buffer>> {
  const { size } = await stat(file);
  if (size === 0) return new Map();
  if (size > largestInput) throw noDocument(`it has more than ${largestInput} bytes`);
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
    checkJsonBounds(text, bounds.nodeValues);
    value = plain(parseJsonText(text));
  } catch (error) {
    throw noDocument(`it is not JSON (${messageOf(error)})`);
  }
  const problems = checkFileDocument(value);
  const [first] = problems;
  if (first === undefined) return filesOf(value as FileDocument);
  const place = first.pointer === '' ? '' : `${first.pointer.slice(0, 200)}: `;
  const others = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
  throw noDocument(`${place}${first.detail}${others}`);
}

const noDocument = (why: string) =>
  new PenstockError('invalid-body', `The input is not a JSON document of files: ${why}`);

/** Tells whether a file was written since: nobody can reset all of these values. */
export const stampOf = ({ ino, size, mtimeNs, ctimeNs }: PlainFile): string =>
  [ino, size, mtimeNs, ctimeNs].join(' ');

/** The files of a folder before the run: the stamp of each by its key. */
export type Before = ReadonlyMap<string, string>;

/** Identifies a file before and after the run: no name on disk contains a NUL. */
export const keyOf = ({ name, escaped, bytes }: Pick<PlainFile, 'name' | 'escaped' | 'bytes'>): string =>
  escaped ? `\0${bytes.toString('latin1')}` : name;

/**
 * The files that a program wrote into a folder, as one JSON document, piece by piece.
 *
 * @param path the folder's, for error messages
 * @param names the files that must exist, in this order; null for all that are new or changed
 * @param escaped called with each name that had to be escaped because it is not UTF-8
 */
export async function* documentPieces(
  folder: FileHandle,
  path: string,
  names: readonly string[] | null,
  before: Before,
  escaped: (name: string) => void = () => {},
): AsyncGenerator<string> {
  let separator = '{';
  const wanted = names?.map((name) => ({ name, bytes: Buffer.from(name), escaped: false }));
  for (const { name, bytes, ...shown } of wanted ?? (await changed(folder, before))) {
    const file = await openPlainFile(folder, bytes);
    if (file === null) {
      // A process that the program left running may delete its files again.
      if (names === null) continue;
      throw new PenstockError('not-found', `the program did not write ${name} in ${path}`);
    }
    try {
      const found = plainFile(bytes, await file.stat({ bigint: true }));
      if (before.get(keyOf(found)) === stampOf(found)) {
        throw new PenstockError('not-found', `${name} in ${path} is from before this run`);
      }
      if (shown.escaped) escaped(name);
      yield `${separator}${JSON.stringify(name)}:`;
      yield* jsonPieces(file, found.size, 'exact');
      separator = ',';
    } finally {
      await file.close();
    }
  }
  yield separator === '{' ? '{}' : '}';
}

/** The files written since, sorted by name in code unit order. */
async function changed(folder: FileHandle, before: Before): Promise<PlainFile[]> {
  const files: PlainFile[] = [];
  for await (const file of plainFiles(folder)) {
    if (before.get(keyOf(file)) !== stampOf(file)) files.push(file);
  }
  return apart(files.sort(byName)).sort(byName);
}

const byName = (a: PlainFile, b: PlainFile): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : Buffer.compare(a.bytes, b.bytes);
