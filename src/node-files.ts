import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { CliError } from './cli/failure.js';
import { messageOf } from './errors.js';
import type { Account } from './hosts/accounts.js';

export type Made = 'made' | 'there already';

/** Only a folder itself is opened, never what a link leads to: root may work in a folder of somebody else here. */
const folderItself = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Does one thing to a file; what goes wrong is told with the file's name and what can be done. */
function attempt<T>(file: string, action: () => T, ...hints: string[]): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${file} cannot be made: ${messageOf(error)}`, {
      hints:
        hints.length > 0
          ? hints
          : ['Make the folder that it is in writable, or run this as who may write there.'],
    });
  }
}

/** A folder of mode 0775, whatever the umask says; one that is there keeps its mode. */
export function makeFolder(folder: string): Made {
  return attempt(
    folder,
    () => {
      const found = statSync(folder, { throwIfNoEntry: false });
      if (found?.isDirectory()) return 'there already';
      if (found !== undefined) {
        throw new CliError(`${folder} is not a folder`, {
          hints: ['Move it away, or name another folder: penstock node install DIR'],
        });
      }
      mkdirs(folder);
      within(folder, (opened) => fchmodSync(opened, 0o775));
      return 'made';
    },
    'Name a folder that can be made: penstock node install DIR, or paths in node.yaml.',
  );
}

/** Step by step: `recursive` of Node.js never ends where a folder takes no others, as /proc does not. */
function mkdirs(folder: string): void {
  const parent = path.dirname(folder);
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) mkdirs(parent);
  mkdirSync(folder);
}

/** Gives a folder to its user; a link stays, and so does what it leads to. */
export function giveFolder(folder: string, { uid, gid }: Account): void {
  if (lstatSync(folder).isSymbolicLink()) return;
  attempt(folder, () => within(folder, (opened) => fchownSync(opened, uid, gid)));
}

function within(folder: string, action: (opened: number) => void): void {
  const opened = openSync(folder, folderItself);
  try {
    action(opened);
  } finally {
    closeSync(opened);
  }
}

/** A script of ours. One of an earlier version is replaced, at once and whole: it may be running. */
export function makeScript(source: URL, home: string, owner: Account | undefined): Made {
  const name = path.posix.basename(source.pathname);
  const file = path.join(home, name);
  return attempt(file, () => {
    const text = readFileSync(source);
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (found?.isFile() && (found.mode & 0o777) === 0o755 && readFileSync(file).equals(text)) {
      if (owner !== undefined) lchownSync(file, owner.uid, owner.gid);
      return 'there already';
    }
    const partial = path.join(home, `.${name}.${process.pid}`);
    try {
      // `wx` follows no link that waits under that name.
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

/** A link to a script beside it, unless something of that name is there: that is the user's. */
export function makeLink(name: string, target: string, home: string, owner: Account | undefined): Made {
  const file = path.join(home, name);
  return attempt(file, () => {
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

/** Whether that name leads to something else than the script of ours: a user has put their own there. */
export function isUsers(home: string, name: string, target: string): boolean {
  const file = path.join(home, name);
  return !lstatSync(file).isSymbolicLink() || readlinkSync(file) !== target;
}
