import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { globDepth, globMatcher } from '../../domain/pipelines/glob.js';
import { type ShownName, shownName } from '../../domain/shown-name.js';

/** A file that a program left: its path below the folder, on disk and as shown. */
export interface Left extends ShownName {
  bytes: Buffer;
}

/**
 * The files below a folder that match a pattern. Folders are searched as deep as the pattern reaches; symbolic links do
 * not count. `most` is told the number so far, and may throw.
 */
export async function filesBelow(
  folder: string,
  pattern: string,
  most: (count: number) => void,
): Promise<Left[]> {
  const matches = globMatcher(pattern);
  const found: Left[] = [];
  async function look(below: Left | null, depth: number): Promise<void> {
    const place = Buffer.concat([Buffer.from(`${folder}/`), below?.bytes ?? Buffer.alloc(0)]);
    const entries: Dirent<Buffer>[] = await readdir(place, { encoding: 'buffer', withFileTypes: true });
    for (const entry of entries) {
      const one = join(below, entry.name);
      if (entry.isFile() && matches(one.name)) {
        found.push(one);
        most(found.length);
      } else if (entry.isDirectory() && depth > 1) await look(one, depth - 1);
    }
  }
  await look(null, globDepth(pattern));
  return found.sort((a, b) =>
    a.name < b.name ? -1 : a.name > b.name ? 1 : Buffer.compare(a.bytes, b.bytes),
  );
}

function join(below: Left | null, name: Buffer): Left {
  const shown = shownName(name);
  if (below === null) return { ...shown, bytes: name };
  return {
    name: `${below.name}/${shown.name}`,
    escaped: below.escaped || shown.escaped,
    bytes: Buffer.concat([below.bytes, Buffer.from('/'), name]),
  };
}
