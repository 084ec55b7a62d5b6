import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type Host, HostError } from '../../hosts/host.js';
import type { FilePath } from '../executor.js';

/** Says what is there: `file`, or `folder` and then what is in it, each name relative to it and ended by a NUL. */
const listScript = `
if [ -d "$1" ]; then
  echo folder
  cd "$1" && find . -type f -exec printf '%s\\000' {} +
elif [ -f "$1" ]; then echo file
else echo nothing
fi
`;

/** Milliseconds that it may take to look for what is in a folder. */
const listTimeout = 600_000;

/**
 * Brings files and folders of a machine here, those that are there. Fails with a `HostError`.
 *
 * @param bound.most bytes of each file, and of all files of a folder, that are fetched
 */
export async function fetchFiles(
  host: Host,
  paths: readonly FilePath[],
  { most }: { most: number | null },
): Promise<void> {
  for (const { from, to } of paths) {
    const { stdout } = await host.run(listScript, { args: [from], timeout: listTimeout });
    if (stdout.startsWith('file')) await host.get(from, to, { most });
    if (!stdout.startsWith('folder')) continue;
    await mkdir(to, { recursive: true });
    let left = most;
    for (const name of stdout.slice('folder\n'.length).split('\0').filter(Boolean)) {
      const target = path.join(to, name);
      // The machine is not ours alone: no name of its leads out of the folder.
      if (!target.startsWith(`${path.resolve(to)}/`)) continue;
      const size = await host.get(path.posix.join(from, name), target, { most: left });
      if (left !== null) left = Math.max(0, left - size);
    }
  }
}

/**
 * Brings files there. What is not here is left out: whoever reads it there says so.
 *
 * @param signal aborted when they are not wanted any more; then it fails with its reason
 */
export async function sendFiles(host: Host, paths: readonly FilePath[], signal?: AbortSignal): Promise<void> {
  for (const { from, to } of paths) {
    if (!existsSync(from)) continue;
    const stats = statSync(from);
    if (!stats.isFile()) throw new HostError('missing', `${from} is no file, and so cannot be sent.`);
    await host.put(from, to, { mode: stats.mode & 0o777, ...(signal === undefined ? {} : { signal }) });
  }
}
