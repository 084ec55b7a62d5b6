import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { CliError } from '../../cli/client/failure.js';
import { inside, openFolder } from '../../drivers/files/folders.js';
import { makeFolders } from '../../drivers/files/make-folders.js';
import type { Account } from '../../drivers/processes/accounts.js';
import { messageOf } from '../../lib/errors.js';

export type Made = 'made' | 'there already';

/** An open home. Changes go to this very folder, even if its path leads elsewhere meanwhile. */
export interface Home {
  path: string;
  folder: FileHandle;
}

/** Does one thing to a file. An error gets the file's name and what to do about it. */
async function attempt<T>(file: string, action: () => T | Promise<T>, ...hints: string[]): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const why = messageOf(error).replaceAll(/\/proc\/self\/fd\/\d+/g, path.dirname(file));
    throw new CliError(`Cannot create ${file}: ${why}`, {
      hints:
        hints.length > 0 ? hints : ['Make its folder writable, or run this as a user who may write there.'],
    });
  }
}

const otherHome = ['Name a folder that can be created: penstock node install DIR, or paths in node.yaml.'];

/** Opens a home, and creates it if needed. The caller closes it. */
export async function openHome(home: string): Promise<Home & { made: Made }> {
  const isRoot = process.getuid?.() === 0;
  // Another user's link could decide where root writes and which files change owner.
  if (isRoot) await attempt(home, () => refuseLinks(home), ...otherHome);
  const made = await makeFolder(home);
  const { O_RDONLY, O_DIRECTORY } = constants;
  const folder = await attempt(home, () => (isRoot ? openFolder(home) : open(home, O_RDONLY | O_DIRECTORY)));
  return { path: home, folder, made };
}

function refuseLinks(home: string): void {
  for (let place = home; place !== path.dirname(place); place = path.dirname(place)) {
    const found = lstatSync(place, { throwIfNoEntry: false });
    // A parent folder may be a link that root owns.
    if (!found?.isSymbolicLink() || (place !== home && found.uid === 0)) continue;
    throw new CliError(`${place} is a symbolic link, which root does not follow`, {
      hints: ['Name the folder that it points to: penstock node install DIR, or paths in node.yaml.'],
    });
  }
}

/**
 * Creates a folder of mode 0775, whatever the umask. An existing one keeps its mode.
 *
 * @param home if the folder is directly inside this one, it is created through it
 */
export function makeFolder(folder: string, home?: Home): Promise<Made> {
  const place = placeOf(folder, home);
  return attempt(
    folder,
    async () => {
      const found = statSync(place, { throwIfNoEntry: false });
      if (found?.isDirectory()) return 'there already';
      if (found !== undefined) {
        throw new CliError(`${folder} is not a folder`, {
          hints: ['Move it away, or name another folder: penstock node install DIR'],
        });
      }
      return (await makeFolders(place, 0o775)) ? 'made' : 'there already';
    },
    ...otherHome,
  );
}

const placeOf = (folder: string, home?: Home): string =>
  home !== undefined && path.dirname(folder) === home.path
    ? inside(home.folder, path.basename(folder)).toString()
    : folder;

/**
 * Gives a folder to its user if it is empty, so that naming /var/tmp by mistake does no harm. Leaves links and their
 * targets alone.
 *
 * @returns whether the user owns it now
 */
export function giveFolder(folder: string, home: Home, { uid, gid }: Account): Promise<boolean> {
  const place = placeOf(folder, home);
  return attempt(folder, async () => {
    if (lstatSync(place).isSymbolicLink()) return false;
    const opened = await openFolder(place);
    try {
      if ((await opened.stat()).uid === uid) return true;
      if (readdirSync(inside(opened)).length > 0) return false;
      await opened.chown(uid, gid);
      return true;
    } finally {
      await opened.close();
    }
  });
}

/** Gives the home itself to its user. */
export const giveHome = ({ path: file, folder }: Home, { uid, gid }: Account): Promise<void> =>
  attempt(file, () => folder.chown(uid, gid));

/** Installs one of our scripts. Replaces an earlier version atomically, because it may be running. */
export function makeScript(source: string, home: Home, owner: Account | undefined): Promise<Made> {
  const name = path.posix.basename(source);
  return attempt(path.join(home.path, name), () => {
    const file = inside(home.folder, name);
    const text = readFileSync(source);
    if (isReady(file, text, owner)) return 'there already';
    const partial = inside(home.folder, `.${name}.${process.pid}`);
    try {
      // `wx` does not follow a link with that name.
      const opened = openSync(partial, 'wx', 0o700);
      try {
        writeFileSync(opened, text);
        if (owner !== undefined) fchownSync(opened, owner.uid, owner.gid);
        fchmodSync(opened, 0o755);
      } finally {
        closeSync(opened);
      }
      renameSync(partial, file);
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
    return 'made';
  });
}

/** Whether exactly this script is installed already, as a file with no other links. If so, sets its owner. */
function isReady(file: Buffer, text: Buffer, owner: Account | undefined): boolean {
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const opened = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = fstatSync(opened);
    const same = found.isFile() && found.nlink === 1 && (found.mode & 0o7777) === 0o755;
    if (!same || !readFileSync(opened).equals(text)) return false;
    if (owner !== undefined) fchownSync(opened, owner.uid, owner.gid);
    return true;
  } finally {
    closeSync(opened);
  }
}

/** Links a name to a script beside it, unless the name exists: then it belongs to the user. */
export function makeLink(
  name: string,
  target: string,
  home: Home,
  owner: Account | undefined,
): Promise<Made> {
  return attempt(path.join(home.path, name), () => {
    const file = inside(home.folder, name);
    try {
      symlinkSync(target, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'there already';
      throw error;
    }
    if (owner !== undefined) lchownSync(file, owner.uid, owner.gid);
    return 'made';
  });
}

/** Whether a user has put something else than our script under that name. */
export function isUsers(home: Home, name: string, target: string): boolean {
  const file = inside(home.folder, name);
  return !lstatSync(file).isSymbolicLink() || readlinkSync(file) !== target;
}
