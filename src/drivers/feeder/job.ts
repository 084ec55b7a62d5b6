import { open } from 'node:fs/promises';
import type { Way } from './open-ways.js';

/** Writes a file's bytes to the program in pieces, and then the end. */
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
 * Writes the program's output to a file. If it is too large, one byte more than the limit is written, to tell "exactly
 * full" from "too large"; then nothing more is read until the program is ended.
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
