import { open } from 'node:fs/promises';
import type { Way } from './open-ways.js';

/** Brings a file's bytes into the program, in pieces, and then its end. */
export async function bring(file: string | null, chunk: number, way: Way['in']): Promise<void> {
  if (file !== null) {
    const handle = await open(file, 'r');
    try {
      for (;;) {
        const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunk), 0, chunk, null);
        if (bytesRead === 0) break;
        await way.write(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }
  await way.end();
}

/**
 * Writes what the program says to a file. Of an output that is too large one byte more than its limit is written,
 * which tells "full" from "over"; then nothing more is taken, until the program is ended for it.
 *
 * @returns false if it was too large
 */
export async function fetch(file: string, limit: number | null, way: Way['out']): Promise<boolean> {
  const handle = await open(file, 'w');
  try {
    let left = limit === null ? Number.POSITIVE_INFINITY : limit + 1;
    for await (const piece of way.pieces()) {
      const part = piece.length > left ? piece.subarray(0, left) : piece;
      for (let done = 0; done < part.length; ) done += (await handle.write(part, done)).bytesWritten;
      left -= part.length;
      if (left <= 0) return false;
    }
    return true;
  } finally {
    await handle.close();
  }
}
