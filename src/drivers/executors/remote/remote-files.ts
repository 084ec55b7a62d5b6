import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { type Host, HostError } from '../../hosts/host.js';
import type { FilePath } from '../executor.js';

/** Prints what is there: `file`, or `folder` followed by its files, each as a relative name and a NUL. */
const listScript = `
if [ -d "$1" ]; then
  echo folder
  cd "$1" && find . -type f -exec printf '%s\\000' {} +
elif [ -f "$1" ]; then echo file
else echo nothing
fi
`;

/** Milliseconds allowed for listing a folder. */
const listTimeout = 600_000;

/**
 * Fetches those files and folders of a machine that exist. Fails with a `HostError`.
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
      // The machine is not ours alone: none of its names may lead out of the folder.
      if (!target.startsWith(`${path.resolve(to)}/`)) continue;
      const size = await host.get(path.posix.join(from, name), target, { most: left });
      if (left !== null) left = Math.max(0, left - size);
    }
  }
}

/**
 * Sends files there. Missing files are skipped: whatever reads them there will complain.
 *
 * @param signal aborted when they are no longer wanted; then it fails with the signal's reason
 */
export async function sendFiles(host: Host, paths: readonly FilePath[], signal?: AbortSignal): Promise<void> {
  for (const { from, to } of paths) {
    if (!existsSync(from)) continue;
    const stats = statSync(from);
    if (!stats.isFile()) throw new HostError('missing', `${from} is not a file, so it cannot be sent.`);
    await host.put(from, to, { mode: stats.mode & 0o777, ...(signal === undefined ? {} : { signal }) });
  }
}
