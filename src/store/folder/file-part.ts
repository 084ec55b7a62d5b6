import { createReadStream, statSync } from 'node:fs';

/** A part of a file. */
export interface FilePart {
  file: string;
  start: number;
  /** In bytes. */
  size: number;
}

/**
 * The bytes of a part of a file, read as fast as they are taken. Throws if the file has become shorter, since whoever
 * was told the size would wait for the rest.
 */
export async function* bytesOf(
  { file, start, size }: FilePart,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  signal.throwIfAborted();
  if (size === 0) return;
  let left = size;
  const stream = createReadStream(file, { start, end: start + size - 1, signal });
  for await (const piece of stream as AsyncIterable<Buffer>) {
    left -= piece.length;
    yield piece;
  }
  if (left > 0) throw new Error(`${file} became shorter while it was read`);
}

/** When a file was last written to. */
export const changedAt = (file: string): Date => statSync(file).mtime;
