import { createHash } from 'node:crypto';
import { openTurns } from '../../lib/turns.js';
import { bytesOf } from '../../store/folder/file-part.js';
import type { OutputFile } from './job-outputs.js';

/** So many bytes are read for one request. */
const mostRead = 4 * 1024 ** 3;

const inTurn = openTurns<number>();

/**
 * The SHA-256 of each file, in hexadecimal; null for what is beyond 4 GiB in total. One request of a user is served at a
 * time, piece by piece, so that nobody can keep the disk and the processor busy with them.
 */
export function sha256Of(
  files: readonly OutputFile[],
  userId: number,
  signal: AbortSignal,
): Promise<Map<OutputFile, string>> {
  return inTurn(userId, async () => {
    const digests = new Map<OutputFile, string>();
    let left = mostRead;
    for (const file of files) {
      if (file.size > left) continue;
      left -= file.size;
      const hash = createHash('sha256');
      for await (const piece of bytesOf(file, signal)) hash.update(piece);
      digests.set(file, hash.digest('hex'));
    }
    return digests;
  });
}
