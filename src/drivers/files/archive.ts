import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, readdir, readlink, realpath, rename, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { archiveTarget, type Cleared, ownFolders } from '../../domain/external-jobs/archive-path.js';
import { messageOf } from '../../lib/errors.js';
import { openTurns } from '../../lib/turns.js';
import { inside, mountPoints, openFolder, removeTree } from './folders.js';

/** Archive systems that this machine can reach, by name: where each one's `/` is, and what may be cleared. */
type ArchiveSystems = Readonly<Record<string, { root: string; prefixes: readonly string[] }>>;

/** Why a folder could not be cleared, in words for the client. */
class Refusal extends Error {}

/** Runs a step; if it fails, the reason is in our words: the client must not see the paths in the system's message. */
async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(`${what}: ${(error as NodeJS.ErrnoException).code ?? messageOf(error)}`);
  }
}

const kindOf = (found: Stats) =>
  found.isSymbolicLink() ? 'a symbolic link' : found.isFile() ? 'a file' : 'not a folder';

/** Opens the folder of that name; null if there is none. Anything else of that name is refused. */
async function folderIn(parent: FileHandle, name: string): Promise<FileHandle | null> {
  const found = await step(`'${name}' cannot be inspected`, () =>
    lstat(inside(parent, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    }),
  );
  if (found === null) return null;
  if (!found.isDirectory()) throw new Refusal(`'${name}' on the way is ${kindOf(found)}`);
  return step(`'${name}' cannot be opened`, () => openFolder(inside(parent, name)));
}

/** Makes a folder with the mode and owner of another. */
async function makeLike(
  parent: FileHandle,
  name: string,
  like: Stats,
  owner: 'must' | 'may',
): Promise<FileHandle> {
  await mkdir(inside(parent, name), { mode: 0o700 });
  let made: FileHandle | undefined;
  try {
    made = await openFolder(inside(parent, name));
    const { uid, gid } = await made.stat();
    if (uid !== like.uid || gid !== like.gid) {
      await made.chown(like.uid, like.gid).catch((error: unknown) => {
        if (owner === 'must') throw error;
      });
    }
    await made.chmod(like.mode & 0o7777);
    return made;
  } catch (error) {
    await made?.close();
    await rmdir(inside(parent, name));
    throw error;
  }
}

/**
 * The prefix of names beside a folder for its old and new version. It is a digest, since the name itself may have the
 * maximum length.
 */
const besidePrefix = (name: string) =>
  `${ownFolders}${createHash('sha256').update(name).digest('hex').slice(0, 16)}-`;

/**
 * Replaces a folder by an empty one. The old folder is first renamed, so that a half-deleted one is never mistaken for
 * the whole; what a crash leaves under such a name is deleted the next time.
 */
async function replace(parent: FileHandle, name: string, folder: FileHandle): Promise<void> {
  const like = await folder.stat();
  const place = await readlink(inside(folder), 'utf8');
  const mounted = (await mountPoints()).some((point) => point === place || point.startsWith(`${place}/`));
  if (mounted) throw new Refusal('something is mounted in the folder');

  const id = randomBytes(6).toString('hex');
  const [fresh, old] = [`${besidePrefix(name)}${id}-new`, `${besidePrefix(name)}${id}-old`];
  await step('no new folder can be made beside the old one', async () => {
    await (await makeLike(parent, fresh, like, 'must')).close();
  });
  try {
    await rename(inside(parent, name), inside(parent, old));
  } catch (error) {
    await rmdir(inside(parent, fresh));
    throw new Refusal(`the folder cannot be moved: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    await rename(inside(parent, fresh), inside(parent, name));
  } catch (error) {
    // Somebody has put something there at this very moment.
    await step('the folder was moved aside and cannot be moved back', () =>
      rename(inside(parent, old), inside(parent, name)),
    );
    await rmdir(inside(parent, fresh)).catch(() => {});
    throw new Refusal(`the new folder cannot be put in place: ${(error as NodeJS.ErrnoException).code}`);
  }
  // Otherwise a crash of the machine might bring back what was reported as deleted.
  await step('the folder is empty, but perhaps not on the disk yet', () => parent.sync());
}

/** Removes old folders that were replaced, now or before a crash. */
async function sweep(parent: FileHandle, name: string): Promise<void> {
  await step('the folder is empty, but its old content cannot be removed completely', async () => {
    for (const entry of await readdir(inside(parent), { encoding: 'utf8' })) {
      if (entry.startsWith(besidePrefix(name))) await removeTree(parent, entry);
    }
  });
}

async function clear(root: string, prefix: readonly string[], below: readonly string[]): Promise<void> {
  // The root comes from the configuration and may be a link. Nothing below it may.
  const start = await step("the system's root is not here", async () => openFolder(await realpath(root)));
  let at = start;
  const enter = async (next: FileHandle) => {
    await at.close();
    at = next;
  };
  try {
    for (const name of prefix) {
      const next = await folderIn(at, name);
      // Perhaps it is just not mounted: nothing is created in its place.
      if (next === null) throw new Refusal(`there is no folder /${prefix.join('/')} on this system`);
      await enter(next);
    }
    for (const name of below.slice(0, -1)) {
      await enter((await folderIn(at, name)) ?? (await made(at, name)));
    }
    const name = below.at(-1) ?? '';
    const folder = await folderIn(at, name);
    if (folder === null) await (await made(at, name)).close();
    else {
      try {
        await replace(at, name, folder);
      } finally {
        await folder.close();
      }
    }
    await sweep(at, name);
  } finally {
    await at.close();
  }
}

const made = (parent: FileHandle, name: string) =>
  step(`the folder '${name}' cannot be created`, async () =>
    makeLike(parent, name, await parent.stat(), 'may'),
  );

/** Two at once on the same folder would mistake each other's work for leftovers of a crash. */
const inTurn = openTurns<string>();

/**
 * Clears an archive path: when it returns `cleared`, there is an empty folder. Only on configured systems, only
 * strictly below one of their prefixes, never through a symbolic link, never across a mount.
 */
export async function clearArchive(
  systems: ArchiveSystems,
  archive: { system: string; path: string },
): Promise<Cleared> {
  const system = Object.hasOwn(systems, archive.system) ? systems[archive.system] : undefined;
  if (system === undefined) {
    return { cleared: false, reason: `this machine cannot reach the archive system '${archive.system}'` };
  }
  const target = archiveTarget(system.prefixes, archive.path);
  if (!target.allowed) return { cleared: false, reason: target.reason };

  return inTurn<Cleared>(path.join(system.root, target.path), async () => {
    try {
      await clear(system.root, target.prefix, target.below);
      return { cleared: true, path: target.path };
    } catch (error) {
      return { cleared: false, reason: messageOf(error) };
    }
  });
}
