import { constants, type Dirent } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rmdir, unlink } from 'node:fs/promises';

/**
 * Work below an open folder. Node has no `openat`, but on Linux `/proc/self/fd/N/name` is the name in the folder that
 * is open as N, even if it has been moved and something else has its old path. So nobody can slip in a symbolic link
 * between a check and the action after it.
 */

/** The path of a name in an open folder, or of the folder itself. Names are bytes: not all of them are UTF-8. */
export function inside(folder: FileHandle, name?: string | Buffer): Buffer {
  const own = Buffer.from(`/proc/self/fd/${folder.fd}`);
  return name === undefined ? own : Buffer.concat([own, Buffer.from('/'), Buffer.from(name)]);
}

const onlyFolders = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Opens a folder; a symbolic link to a folder fails (ENOTDIR). */
export const openFolder = (path: string | Buffer): Promise<FileHandle> => open(path, onlyFolders);

/** The mount of an open folder: unlike the device, it distinguishes a second mount of the same folder. */
async function mountOf(folder: FileHandle): Promise<string | undefined> {
  return /^mnt_id:\s*(\d+)$/m.exec(await readFile(`/proc/self/fdinfo/${folder.fd}`, 'utf8'))?.[1];
}

/** The mount points of this machine, as real paths. */
export async function mountPoints(): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  return text.split('\n').flatMap((line) => {
    const point = line.split(' ')[4];
    // Spaces and the like are written as octal numbers of bytes.
    const bytes = point?.replaceAll(/\\([0-7]{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    return bytes === undefined ? [] : [bytes];
  });
}

/** Lets the folder's owner remove things from it; if that fails, it stays as it is. */
async function unlock(folder: FileHandle): Promise<void> {
  const { mode } = await folder.stat();
  if ((mode & 0o700) !== 0o700) await folder.chmod((mode & 0o777) | 0o700).catch(() => {});
}

/**
 * Removes a folder with everything in it. Symbolic links are removed, not followed; it stops at mount points. Folders
 * are moved up to the first level before they are emptied, so that no depth is too deep.
 *
 * @param parent the folder that it is in, open
 */
export async function removeTree(parent: FileHandle, name: string): Promise<void> {
  const top = await openFolder(inside(parent, name));
  try {
    const mount = await mountOf(top);
    await unlock(top);
    let moved = 0;
    const hoist = async (folder: FileHandle, entry: Dirent<Buffer>) => {
      const inner = await openFolder(inside(folder, entry.name));
      try {
        // A folder that may not be written to cannot be moved either.
        await unlock(inner);
      } finally {
        await inner.close();
      }
      moved += 1;
      await rename(inside(folder, entry.name), inside(top, `moved-${process.pid}-${Date.now()}-${moved}`));
    };
    const list = (folder: FileHandle) => readdir(inside(folder), { encoding: 'buffer', withFileTypes: true });

    for (let entries = await list(top); entries.length > 0; entries = await list(top)) {
      for (const entry of entries) {
        if (!entry.isDirectory()) {
          await unlink(inside(top, entry.name));
          continue;
        }
        const folder = await openFolder(inside(top, entry.name));
        try {
          if ((await mountOf(folder)) !== mount) throw new Error('something is mounted in it');
          await unlock(folder);
          for (const inner of await list(folder)) {
            if (inner.isDirectory()) await hoist(folder, inner);
            else await unlink(inside(folder, inner.name));
          }
        } finally {
          await folder.close();
        }
        await rmdir(inside(top, entry.name));
      }
    }
  } finally {
    await top.close();
  }
  await rmdir(inside(parent, name));
}
