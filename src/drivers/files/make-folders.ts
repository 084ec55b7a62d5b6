import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { openToOthers } from '../processes/umask.js';
import { openFolder } from './folders.js';

/**
 * Makes a folder and its parents; an existing one stays as it is. It goes step by step, because Node's `recursive`
 * never ends if a folder cannot hold others, like /proc (ENOENT).
 *
 * @param mode that of the folder itself, whatever the umask says
 * @returns whether it was made
 */
export async function makeFolders(folderPath: string, mode?: number): Promise<boolean> {
  const place = path.resolve(folderPath);
  const made = await makeOne(place);
  if (made && mode !== undefined) {
    const folder = await openFolder(place);
    await folder.chmod(mode).finally(() => folder.close());
  }
  return made;
}

async function makeOne(place: string, again = false): Promise<boolean> {
  try {
    await mkdir(place);
    // Programs of other users may need access.
    openToOthers(place, 0o777);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !again && path.dirname(place) !== place) {
      await makeOne(path.dirname(place));
      return makeOne(place, true);
    }
    const isThere = await stat(place).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (isThere) return false;
    throw error;
  }
  return true;
}
