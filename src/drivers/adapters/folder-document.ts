import { type FileHandle, readFile, stat } from 'node:fs/promises';
import { bounds } from '../../domain/bounds.js';
import { checkFileDocument, type FileDocument, filesOf } from '../../domain/json/file-document.js';
import { checkJsonBounds } from '../../domain/json/json-bounds.js';
import { parseJsonText, plain } from '../../domain/json/json-text.js';
import { apart } from '../../domain/shown-name.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { jsonPieces, openPlainFile, type PlainFile, plainFile, plainFiles } from '../files/folder-files.js';

/** The files of an input have to be in memory, since all of them are checked before the first is written. */
const largestInput = 256 * 1024 * 1024;

/** The files that an input is, by name. None for an empty input, as a POST without a body is taken for one. */
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
  new PenstockError('invalid-body', `The input is no JSON document of files: ${why}`);

/** What tells whether a file was written since: nobody can set all of this back. */
export const stampOf = ({ ino, size, mtimeNs, ctimeNs }: PlainFile): string =>
  [ino, size, mtimeNs, ctimeNs].join(' ');

/** What the files of a folder were before the run: the stamp of each by its key. */
export type Before = ReadonlyMap<string, string>;

/** By what a file is known before and after the run: no name on a disk holds a NUL. */
export const keyOf = ({ name, escaped, bytes }: Pick<PlainFile, 'name' | 'escaped' | 'bytes'>): string =>
  escaped ? `\0${bytes.toString('latin1')}` : name;

/**
 * The files that a program wrote into a folder, as one JSON document, piece by piece.
 *
 * @param path the folder's, for sentences
 * @param names those that must be there, in this order; null for all that are new or changed
 * @param escaped told each name that stands for one which is not UTF-8
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
      // What a program has left running may take its files away again.
      if (names === null) continue;
      throw new PenstockError('not-found', `the program wrote no ${name} in ${path}`);
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

/** What was written since, sorted by name as code units are. */
async function changed(folder: FileHandle, before: Before): Promise<PlainFile[]> {
  const files: PlainFile[] = [];
  for await (const file of plainFiles(folder)) {
    if (before.get(keyOf(file)) !== stampOf(file)) files.push(file);
  }
  return apart(files.sort(byName)).sort(byName);
}

const byName = (a: PlainFile, b: PlainFile): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : Buffer.compare(a.bytes, b.bytes);
