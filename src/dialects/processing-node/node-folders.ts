import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, rename, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { apart } from '../../domain/shown-name.js';
import { jsonPieces, openPlainFile, type PlainFile, plainFiles } from '../../drivers/files/folder-files.js';
import { inside, openFolder } from '../../drivers/files/folders.js';
import { makeFolders } from '../../drivers/files/make-folders.js';
import { type Account, accountOf, ownName, switchTo } from '../../drivers/processes/accounts.js';
import { mayWriteIn, readAs } from '../../drivers/processes/as-user.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { findProgram } from '../../drivers/processes/find-program.js';
import { messageOf, PenstockError } from '../../lib/errors.js';

/** What a processing node does with its folders and scripts. */

const unusable = (detail: string) => new PenstockError('folder-unusable', detail);
const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? messageOf(error);

/**
 * Sees to it that the node's folders are there: made with mode 0775 where they are missing, and the input and output
 * folders owned by `owner`. Throws `folder-unusable`.
 */
export async function ensureFolders(
  folders: { home: string; input: string; output: string },
  owner: string,
): Promise<void> {
  const account = await accountOf(owner).catch((error: unknown) => {
    throw unusable(messageOf(error));
  });
  for (const [what, place] of Object.entries(folders)) {
    const made = await makeFolder(place, what === 'home');
    if (what === 'home' && !made) continue;
    const problem = await give(place, account, made).catch(codeOf);
    if (problem === null) continue;
    throw unusable(
      `The folder ${place} cannot be given to '${owner}' (serveruser) by a server that runs as '${ownName()}': ${problem}.`,
    );
  }
}

const yes = () => true;
const no = () => false;

/**
 * Gives a folder to a user, if it was just made or has nothing in it: any other is somebody's. One in which that user
 * may write already stays as it is.
 *
 * @returns why not; null if that user may write there now
 */
async function give(place: string, { name, uid, gid }: Account, made: boolean): Promise<string | null> {
  const folder = await openFolder(place);
  try {
    if ((await folder.stat()).uid === uid) return null;
    if (!made && (await mayWriteIn(name, place).catch(no))) return null;
    if (!made && (await readdir(inside(folder))).length > 0) {
      return 'it has things in it and belongs to somebody else; change its owner by hand, or name another folder';
    }
    await folder.chown(uid, gid);
    return null;
  } finally {
    await folder.close();
  }
}

/** @returns true if there was none before */
async function makeFolder(place: string, mayBeLink: boolean): Promise<boolean> {
  const found = await (mayBeLink ? stat : lstat)(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw unusable(`The folder ${place} cannot be looked at: ${codeOf(error)}.`);
  });
  if (found?.isDirectory()) return false;
  if (found !== null) {
    throw unusable(`${place} is ${found.isSymbolicLink() ? 'a symbolic link, not a' : 'no'} folder.`);
  }
  try {
    return await makeFolders(place, 0o775);
  } catch (error) {
    throw unusable(`The folder ${place} cannot be made: ${codeOf(error)}.`);
  }
}

/**
 * The plain files directly in a folder as a JSON object of absolute path and text, piece by piece, in the folder's
 * order; null if there is no such folder. Symbolic links are not followed.
 */
export async function listing(place: string): Promise<AsyncIterable<string> | null> {
  let folder: FileHandle;
  try {
    folder = await openFolder(place);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new Error(
      code === 'ENOTDIR' || code === 'ELOOP'
        ? `${place} is no folder, or a symbolic link.`
        : `${place} cannot be read: ${codeOf(error)}.`,
    );
  }
  return listed(folder, place);
}

async function* listed(folder: FileHandle, place: string): AsyncGenerator<string> {
  try {
    let comma = '';
    yield '{';
    const files: PlainFile[] = [];
    for await (const file of plainFiles(folder)) files.push(file);
    for (const { name, bytes } of apart(files)) {
      // What goes away or becomes something else between two looks is not there.
      const file = await openPlainFile(folder, bytes).catch(() => null);
      if (file === null) continue;
      try {
        yield `${comma}${JSON.stringify(path.join(place, name))}: `;
        yield* jsonPieces(file, (await file.stat()).size, 'replace');
      } finally {
        await file.close();
      }
      comma = ', ';
    }
    yield '}';
  } finally {
    await folder.close();
  }
}

/** A file's content as a JSON value, piece by piece: see `jsonPieces`. One that is not there is an empty text. */
export async function* fileValue(file: string, how: 'exact' | 'replace'): AsyncGenerator<string> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (handle === null) {
    yield '""';
    return;
  }
  try {
    yield* jsonPieces(handle, (await handle.stat()).size, how);
  } finally {
    await handle.close();
  }
}

/** A script larger than this is none. */
const largestScript = 16 * 1024 * 1024;

/**
 * The text of a script, or of a program on PATH, as the user whom it runs as may read it: what a link that this user
 * has put there leads to is not told to everybody. Throws an error that says why there is none.
 */
export async function scriptText(exec: string, user: string): Promise<string> {
  const file = exec.includes('/') ? exec : findProgram(exec, '/', basicEnvironment.PATH);
  const prefix = await switchTo(user);
  if (prefix.length > 0) return (await readAs(prefix, user, file, largestScript)).toString();
  // A pipe would keep us waiting for somebody to write to it.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new Error(`${file} cannot be read: ${codeOf(error)}.`);
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error(`${file} is no file.`);
    if (found.size > largestScript)
      throw new Error(`${file} is too large for a script: ${found.size} bytes.`);
    return (await handle.readFile()).toString();
  } finally {
    await handle.close();
  }
}

/**
 * Makes each script a symbolic link to the one that it was installed with, `NAME.ori` beside it. A script that is
 * there, or a link to one, is kept as `NAME.save`. Everything is looked at first: either all are linked or none. Throws an error that
 * says what is in the way.
 */
export async function useOriginals(home: string, scripts: readonly string[]): Promise<void> {
  const todo: { script: string; original: string; there: boolean }[] = [];
  for (const script of scripts) {
    if (path.dirname(script) !== path.resolve(home)) {
      throw new Error(`${script} is not in the node's home ${home}, and is not replaced.`);
    }
    const original = `${script}.ori`;
    if (!(await lstat(original).then((found) => found.isFile(), no))) {
      throw new Error(`There is no file ${original}; 'penstock node install' makes it.`);
    }
    const found = await lstat(script).catch(() => null);
    if (found?.isDirectory()) throw new Error(`${script} is a folder.`);
    if (found?.isSymbolicLink() && path.resolve(home, await readlink(script)) === original) continue;
    todo.push({ script, original, there: found !== null });
  }
  for (const { script, original, there } of todo) {
    if (there) await rename(script, await freeName(`${script}.save`));
    await symlink(path.basename(original), script);
  }
}

/** The name itself, or the first with a number behind it that nothing has yet. */
async function freeName(wanted: string): Promise<string> {
  for (let number = 0; ; number += 1) {
    const name = number === 0 ? wanted : `${wanted}.${number}`;
    if (!(await lstat(name).then(yes, no))) return name;
  }
}
