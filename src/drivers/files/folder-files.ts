import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import { type ShownName, shownName } from '../../domain/shown-name.js';
import { PenstockError } from '../../lib/errors.js';
import { inside } from './folders.js';

export { jsonPieces } from './json-pieces.js';

/** The plain files of an open folder. No symbolic link is ever followed, nor anything but a plain file opened. */

/** A plain file in a folder. Every write changes its `ctimeNs`, which nobody can set. */
export interface PlainFile extends ShownName {
  /** Its name as the disk has it. */
  bytes: Buffer;
  ino: bigint;
  size: number;
  mtimeNs: bigint;
  ctimeNs: bigint;
}

/** A name in a folder is not a plain file; `kind` says what it is, such as "a symbolic link". */
export class NotPlain extends Error {
  constructor(
    readonly file: string,
    readonly kind: string,
  ) {
    super(`${file} is ${kind}`);
  }
}

/** The kind of a file, for a sentence. */
function kindOf(found: BigIntStats): string {
  if (found.isSymbolicLink()) return 'a symbolic link';
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  return found.isSocket() ? 'a socket' : 'a device';
}

/** The file of that name, without following links; null if there is none. */
async function look(folder: FileHandle, name: string | Buffer): Promise<BigIntStats | null> {
  // Such a name would lead out of the folder. Names that we would not give may still be read.
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

/** How many files are inspected at once: one by one, the round trips would take longer than the work. */
const atOnce = 64;

/** The plain files directly in a folder, in the folder's order. Skips everything else, and files that disappear meanwhile. */
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
 * Opens a plain file of a folder for reading; null if there is none of that name. The caller closes it.
 *
 * @throws NotPlain if the name stands for anything else
 */
export async function openPlainFile(folder: FileHandle, name: string | Buffer): Promise<FileHandle | null> {
  // Inspected first: opening a device may already do something.
  const found = await look(folder, name);
  if (found === null) return null;
  if (!found.isFile()) throw new NotPlain(name.toString(), kindOf(found));
  // Something put there at this moment must not be followed or waited for either.
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

/** The name that a file gets when it is replaced. */
const oldName = (name: string) => `${name}.old`;

/**
 * Writes new files into a folder, with the folder's owner and group if we may set them. An existing file is kept as
 * NAME.old, replacing an older one. Everything is checked before anything is done.
 *
 * @throws NotPlain if one of the names, or the name for its old file, is anything but a plain file
 */
export async function putFiles(
  folder: FileHandle,
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<void> {
  // `a` before `a.old`: if both come, the old `a` ends up as `a.old.old`, out of the way.
  const names = [...files.keys()].sort((a, b) => a.length - b.length);
  const there = new Set<string>();
  for (const name of names) {
    const wrong = fileNameProblem(name);
    if (wrong !== undefined) throw new PenstockError('invalid-body', wrong);
    if (await mustBePlain(folder, name)) there.add(name);
    if (!there.has(name)) continue;
    if (fileNameProblem(oldName(name)) !== undefined) {
      throw new PenstockError('conflict', `${name} already exists, and its name is too long to add .old`);
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
    // Only root may change a file's owner; anybody may give it to another of their own groups.
    await file
      .chown(owner.uid, owner.gid)
      .catch(() => file.chown(own.uid, owner.gid))
      .catch((error: NodeJS.ErrnoException) => {
        // EINVAL: an owner unknown in this container.
        if (error.code !== 'EPERM' && error.code !== 'EINVAL') throw error;
      });
    await file.chmod(0o664);
  } catch (error) {
    // At the next attempt half a file would replace the old one.
    await unlink(inside(folder, name)).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}
