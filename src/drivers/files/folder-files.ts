import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import { type ShownName, shownName } from '../../domain/shown-name.js';
import { PenstockError } from '../../lib/errors.js';
import { inside } from './folders.js';

export { jsonPieces } from './json-pieces.js';

/** The plain files of an open folder. No symbolic link is ever followed, nor anything but a plain file opened. */

/** A plain file as it stands in a folder. Whatever is written to it changes its `ctimeNs`, which nobody can set. */
export interface PlainFile extends ShownName {
  /** Its name as the disk has it. */
  bytes: Buffer;
  ino: bigint;
  size: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

/** A name in a folder that stands for something else than a plain file; `kind` says for what: "a symbolic link". */
export class NotPlain extends Error {
  constructor(
    readonly file: string,
    readonly kind: string,
  ) {
    super(`${file} is ${kind}`);
  }
}

/** What a file is called in a sentence. */
function kindOf(found: BigIntStats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** What stands under a name, not following it; null if nothing does. */
async function look(folder: FileHandle, name: string | Buffer): Promise<BigIntStats | null> {
  // It would lead out of the folder. Odder names than we would give are good enough to be read.
  const text = name.toString();
  if (/[/\0]/.test(text) || ['', '.', '..'].includes(text)) throw new Error(fileNameProblem(text));
  return lstat(inside(folder, name), { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

/** What `lstat` or `stat` tells of a file. */
export function plainFile(bytes: Buffer, { ino, size, mtimeNs, ctimeNs }: BigIntStats): PlainFile {
  return { ...shownName(bytes), bytes, ino, size: Number(size), mtimeNs, ctimeNs };
}

/** So many files are looked at together: one by one the way to each would take longer than the look. */
const atOnce = 64;

/**
 * The plain files directly in a folder, in the folder's order. Passed over is what is no plain file, and what goes
 * away meanwhile.
 */
export async function* plainFiles(folder: FileHandle): AsyncGenerator<PlainFile> {
  const names = await readdir(inside(folder), { encoding: 'buffer' });
  for (let next = 0; next < names.length; next += atOnce) {
    const looks = names
      .slice(next, next + atOnce)
      .map(async (name) => ({ name, found: await look(folder, name) }));
    for (const { name, found } of await Promise.all(looks)) {
      if (found?.isFile()) yield plainFile(name, found);
    }
  }
}

/**
 * Opens a plain file of a folder for reading; null if there is none of that name. Whoever gets it closes it.
 *
 * @throws NotPlain if the name stands for anything else
 */
export async function openPlainFile(folder: FileHandle, name: string | Buffer): Promise<FileHandle | null> {
  // Looked at first: to open a device may already do something.
  const found = await look(folder, name);
  if (found === null) return null;
  if (!found.isFile()) throw new NotPlain(name.toString(), kindOf(found));
  // What is put there in this very moment is not followed or waited for either.
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  let file: FileHandle;
  try {
    file = await open(inside(folder, name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw new NotPlain(name.toString(), 'a symbolic link');
    throw error;
  }
  try {
    const opened = await file.stat({ bigint: true });
    if (!opened.isFile()) throw new NotPlain(name.toString(), kindOf(opened));
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The name that a file gets when another one takes its place. */
const oldName = (name: string) => `${name}.old`;

/**
 * Writes files into a folder, each new, with the owner and group of the folder where we may give them. A file that
 * is there already is kept as NAME.old, in place of an older one. Everything is looked at before anything is done.
 *
 * @throws NotPlain if one of the names, or the one that its old file is to get, stands for anything but a plain file
 */
export async function putFiles(
  folder: FileHandle,
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<void> {
  // `a` before `a.old`: where both come, what `a` was ends as `a.old.old`, and not in the way.
  const names = [...files.keys()].sort((a, b) => a.length - b.length);
  const there = new Set<string>();
  for (const name of names) {
    const wrong = fileNameProblem(name);
    if (wrong !== undefined) throw new PenstockError('invalid-body', wrong);
    if (await mustBePlain(folder, name)) there.add(name);
    if (!there.has(name)) continue;
    if (fileNameProblem(oldName(name)) !== undefined) {
      throw new PenstockError(
        'conflict',
        `${name} is there already, and its name is too long for a further .old`,
      );
    }
    await mustBePlain(folder, oldName(name));
    there.add(oldName(name));
  }
  for (const name of names) {
    if (there.has(name)) await rename(inside(folder, name), inside(folder, oldName(name)));
  }
  const { uid, gid } = await folder.stat();
  for (const [name, content] of files) await putFile(folder, name, content, { uid, gid });
}

/** @returns whether there is a file of that name */
async function mustBePlain(folder: FileHandle, name: string): Promise<boolean> {
  const found = await look(folder, name);
  if (found !== null && !found.isFile()) throw new NotPlain(name, kindOf(found));
  return found !== null;
}

async function putFile(
  folder: FileHandle,
  name: string,
  content: string | Uint8Array,
  owner: { uid: number; gid: number },
): Promise<void> {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = await open(inside(folder, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(content);
    const own = await file.stat();
    // To give a file away is for root, to give it to another group of one's own is for everybody.
    await file
      .chown(owner.uid, owner.gid)
      .catch(() => file.chown(own.uid, owner.gid))
      .catch((error: NodeJS.ErrnoException) => {
        // EINVAL: an owner whom this container does not know.
        if (error.code !== 'EPERM' && error.code !== 'EINVAL') throw error;
      });
    await file.chmod(0o664);
  } catch (error) {
    // Half a file would take the place of the old one at the next try.
    await unlink(inside(folder, name)).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}
