import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  type Stats,
  statSync,
} from 'node:fs';
import path from 'node:path';
import { streamsFile } from './job-files.js';
import { webhookKeyFile } from './key-file.js';
import { lockFile, lockFolder } from './lock.js';
import { reserveFile } from './reserve.js';

/** A data folder that cannot be used as it is. The message says what to do. */
class DataFolderError extends Error {}

/** Suffixes of the files that SQLite keeps for a database. */
const besides = ['', '-wal', '-shm', '-journal'];

/** All our files beside the folders of jobs. */
const filesOf = (data: string, database: string): string[] => [
  ...[database, streamsFile(data), lockFile(data)].flatMap((file) => besides.map((end) => file + end)),
  webhookKeyFile(data),
  reserveFile(path.dirname(database)),
];

const foldersOf = (data: string): string[] => ['jobs', 'incoming'].map((name) => path.join(data, name));

const othersMay = ({ mode }: Stats): boolean => (mode & 0o077) !== 0;
const octal = ({ mode }: Stats): string => (mode & 0o7777).toString(8).padStart(4, '0');
const found = (place: string): Stats | undefined => statSync(place, { throwIfNoEntry: false });

/**
 * Makes sure that the data folder exists and that only its owner can read it, whoever created it: 0700, and 0600 for
 * our files. Throws a DataFolderError for a folder that cannot be created, or whose mode we must not change.
 *
 * @param database the database's path; it may be elsewhere, in a folder that others need
 * @returns the lock that keeps a second server away
 */
export function openDataFolder(data: string, database: string): ReturnType<typeof lockFolder> {
  makeDataFolder(data);
  makeDataFolder(path.dirname(database));
  closeFolder(data, database);
  for (const folder of foldersOf(data)) close(folder, 0o700);
  for (const file of filesOf(data, database)) close(file, 0o600);
  return lockFolder(data);
}

/** What others may read of a data folder, in words, for the doctor. */
export function readableByOthers(data: string, database: string): string[] {
  return [data, ...foldersOf(data), ...filesOf(data, database)].flatMap((place) => {
    const stats = found(place);
    return stats !== undefined && othersMay(stats) ? [`${place} has mode ${octal(stats)}`] : [];
  });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'no folders can be created there',
  ENOTDIR: 'something on the way to it is a file',
};

const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return reasons[code ?? ''] ?? message;
};

/**
 * Creates the folder if missing, and checks that this user can write to it. Throws a DataFolderError. It goes step by
 * step, because Node's `recursive` never ends if a folder cannot hold others, like /proc (ENOENT).
 */
export function makeDataFolder(folder: string): void {
  makeFolder(folder);
  try {
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new DataFolderError(
      `the data folder ${folder} cannot be written to: ${reasonOf(error)}. Give it to the user that the server runs as, or name another folder with --data`,
    );
  }
}

function makeFolder(folder: string, wanted = folder): void {
  try {
    const stats = found(folder);
    if (stats?.isDirectory()) return;
    // For a path below a file, newer versions of Node.js report a missing entry instead of ENOTDIR.
    if (stats !== undefined && folder !== wanted) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    if (stats !== undefined) {
      throw new DataFolderError(
        `the data folder ${folder} is a file. Name a folder with --data, such as ${folder}.d`,
      );
    }
    if (path.dirname(folder) !== folder) makeFolder(path.dirname(folder), wanted);
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (error instanceof DataFolderError) throw error;
    throw new DataFolderError(
      `the data folder ${wanted} cannot be created: ${reasonOf(error)}. Create it yourself for the user that the server runs as, or name another folder with --data`,
    );
  }
}

/** Makes the folder itself private, but never a folder with somebody else's files: that might be /var/lib. */
function closeFolder(data: string, database: string): void {
  const stats = statSync(data);
  if (othersMay(stats)) {
    const ours = [...foldersOf(data), ...filesOf(data, database)];
    const there = readdirSync(data).filter((name) => name !== 'lost+found');
    if (there.length > 0 && !ours.some(existsSync)) {
      throw new DataFolderError(
        `the data folder ${data} can be read by other users (mode ${octal(stats)}), and contains files that are not Penstock's. Name a separate folder, such as --data ${path.join(data, 'penstock')}, or make this one private with: chmod 700 ${data}`,
      );
    }
  }
  close(data, 0o700);
}

/** Removes others' permissions from one of our files or folders, if it exists. */
function close(place: string, mode: number): void {
  const before = found(place);
  if (before === undefined || !othersMay(before)) return;
  const kind = before.isDirectory() ? 'folder' : 'file';
  const told = `the ${kind} ${place} can be read by other users (mode ${octal(before)})`;
  try {
    chmodSync(place, mode);
  } catch (error) {
    throw new DataFolderError(
      `${told}, and the server cannot change that: ${reasonOf(error)}. Let the owner (user id ${before.uid}) give it to the user that the server runs as, with: chown ${process.getuid?.() ?? ''} ${place} && chmod ${mode.toString(8)} ${place}`,
    );
  }
  if (othersMay(statSync(place))) {
    throw new DataFolderError(
      `${told}: its file system does not keep modes. Mount it with umask=077, or name a folder of another file system with --data`,
    );
  }
}
