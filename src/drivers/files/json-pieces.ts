import type { FileHandle } from 'node:fs/promises';

/** How much of a file is held at once. In base64 three bytes are four digits, so only the last piece may have another size. */
const pieceSize = 3 * 64 * 1024;

/** The first `size` bytes of an open file, piece by piece; each is good until the next is asked for. */
async function* piecesOf(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(pieceSize, Math.max(size, 1)));
  for (let position = 0; position < size; ) {
    const wanted = Math.min(buffer.length, size - position);
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await file.read(buffer, filled, wanted - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    if (filled > 0) yield buffer.subarray(0, filled);
    // Somebody has truncated it meanwhile.
    if (filled < wanted) return;
    position += filled;
  }
}

async function isText(file: FileHandle, size: number): Promise<boolean> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  try {
    for await (const piece of piecesOf(file, size)) decoder.decode(piece, { stream: true });
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/**
 * The first `size` bytes of an open file as a JSON value, piece by piece, so that a file of any size needs little
 * memory. The pieces make one JSON value whatever somebody does to the file meanwhile.
 *
 * @param how `exact`: text, or `{"base64": "…"}` for bytes that are not UTF-8; `replace`: always text, in which such
 *   bytes are replacement characters
 */
export async function* jsonPieces(
  file: FileHandle,
  size: number,
  how: 'exact' | 'replace',
): AsyncGenerator<string> {
  if (how === 'exact' && !(await isText(file, size))) {
    yield '{"base64":"';
    for await (const piece of piecesOf(file, size)) yield piece.toString('base64');
    yield '"}';
    return;
  }
  // A byte order mark at the beginning is part of the content.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const escaped = (text: string) => JSON.stringify(text).slice(1, -1);
  yield '"';
  for await (const piece of piecesOf(file, size)) yield escaped(decoder.decode(piece, { stream: true }));
  yield `${escaped(decoder.decode())}"`;
}
