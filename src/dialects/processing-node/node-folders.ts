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

const unusable = (detail: string) => new PenstockError('folder-unusable', detail);
const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code ?? messageOf(error);

/**
 * Creates missing folders of the node with mode 0775, and makes sure that `owner` owns the input and output folders.
 * Throws `folder-unusable`.
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
      `A server that runs as '${ownName()}' cannot give the folder ${place} to '${owner}' (serveruser): ${problem}.`,
    );
  }
}

const yes = () => true;
const no = () => false;

/**
 * Gives a folder to a user if it is new or empty, because any other belongs to somebody. Leaves a folder alone in which
 * the user may already write.
 *
 * @returns why this failed, or null if the user may write there now
 */
async function give(place: string, { name, uid, gid }: Account, made: boolean): Promise<string | null> {
  const folder = await openFolder(place);
  try {
    if ((await folder.stat()).uid === uid) return null;
    if (!made && (await mayWriteIn(name, place).catch(no))) return null;
    if (!made && (await readdir(inside(folder))).length > 0) {
      return 'it is not empty and belongs to another user; change its owner yourself, or choose another folder';
    }
    await folder.chown(uid, gid);
    return null;
  } finally {
    await folder.close();
  }
}

/** @returns whether the folder is new */
async function makeFolder(place: string, mayBeLink: boolean): Promise<boolean> {
  const found = await (mayBeLink ? stat : lstat)(place).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw unusable(`Cannot look at the folder ${place}: ${codeOf(error)}.`);
  });
  if (found?.isDirectory()) return false;
  if (found !== null) {
    throw unusable(`${place} is ${found.isSymbolicLink() ? 'a symbolic link, ' : ''}not a folder.`);
  }
  try {
    return await makeFolders(place, 0o775);
  } catch (error) {
    throw unusable(`Cannot create the folder ${place}: ${codeOf(error)}.`);
  }
}

/**
 * The plain files directly in a folder as a JSON object of absolute path and text, piece by piece, in the order of the
 * folder. Null if the folder does not exist. Does not follow symbolic links.
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
        ? `${place} is not a folder, or is a symbolic link.`
        : `Cannot read ${place}: ${codeOf(error)}.`,
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
      // Skip a file that was removed or replaced meanwhile.
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

/** A file's content as a JSON value, piece by piece: see `jsonPieces`. A missing file is an empty text. */
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

/** Larger files are not treated as scripts. */
const largestScript = 16 * 1024 * 1024;

/**
 * The text of a script, or of a program on PATH, read as the user who runs it, so that a link of that user cannot
 * disclose files of others. Throws an error that says why it cannot be read.
 */
export async function scriptText(exec: string, user: string): Promise<string> {
  const file = exec.includes('/') ? exec : findProgram(exec, '/', basicEnvironment.PATH);
  const prefix = await switchTo(user);
  if (prefix.length > 0) return (await readAs(prefix, user, file, largestScript)).toString();
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw new Error(`Cannot read ${file}: ${codeOf(error)}.`);
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Error(`${file} is not a regular file.`);
    if (found.size > largestScript)
      throw new Error(`${file} is too large for a script: ${found.size} bytes.`);
    return (await handle.readFile()).toString();
  } finally {
    await handle.close();
  }
}

/**
 * Makes each script a symbolic link to its original, `NAME.ori` in the same folder. An existing script or link is kept as
 * `NAME.save`. Checks everything first, so that either all are linked or none. Throws an error that says what is in the
 * way.
 */
export async function useOriginals(home: string, scripts: readonly string[]): Promise<void> {
  const todo: { script: string; original: string; there: boolean }[] = [];
  for (const script of scripts) {
    if (path.dirname(script) !== path.resolve(home)) {
      throw new Error(`${script} is not in the node's home ${home}, so it cannot be replaced.`);
    }
    const original = `${script}.ori`;
    if (!(await lstat(original).then((found) => found.isFile(), no))) {
      throw new Error(`There is no file ${original}. To create it, run 'penstock node install'.`);
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

/** The name itself, or with the first free number appended. */
async function freeName(wanted: string): Promise<string> {
  for (let number = 0; ; number += 1) {
    const name = number === 0 ? wanted : `${wanted}.${number}`;
    if (!(await lstat(name).then(yes, no))) return name;
  }
}
