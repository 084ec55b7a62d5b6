import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { punchHole } from '../../drivers/files/punch-hole.js';
import { fileSize } from '../../store/folder/job-files.js';
import { logStart, setLogStart } from '../../store/folder/log-file.js';

/** The share of a log that is kept when it has grown too large: there must be room before the next cut. */
const keptShare = 0.75;
/** A cut is moved to the end of a line, if one ends in the next so many bytes. */
const lookForLine = 64 * 1024;
/** File systems have a maximum file size, including holes. Long before that, a log starts over. */
const tooFar = 2 ** 40;

/**
 * Cuts the older part of a log away once it is larger than its bound, while its program goes on writing. The newest
 * part stays where it is, so that nothing is copied, nothing written meanwhile is lost, and followers of the log go on.
 * If the file system has no holes, the log starts over: whatever is written between the last check and that moment is
 * lost as well.
 *
 * @param most bytes
 * @returns true if it was cut
 */
export async function capLog(file: string, most: number): Promise<boolean> {
  const size = fileSize(file);
  if (size === null || size <= most) return false;
  const start = logStart(file);
  if (size - start <= most) return false;
  const next = await endOfLine(file, size - Math.floor(most * keptShare), size);
  if (size < tooFar && (await cut(file, next))) return true;
  await beginAnew(file);
  return true;
}

const noteFor = (bytes: number) => `[penstock: ${bytes} bytes before this were left out]\n`;

/** In this order, so that a crash in between leaves a readable log that the next cut repairs. */
async function cut(file: string, next: number): Promise<boolean> {
  const note = Buffer.from(noteFor(next));
  const from = Math.max(0, next - note.length);
  const handle = await open(file, 'r+');
  try {
    // Overwrites what is left out. The program's own writes go to the end, wherever that is.
    if (from > 0) await handle.write(note, 0, note.length, from);
  } finally {
    await handle.close();
  }
  await setLogStart(file, from);
  // From the beginning: a crash may have kept an earlier cut from doing it.
  return punchHole(file, 0, from);
}

async function beginAnew(file: string): Promise<void> {
  await setLogStart(file, 0);
  const handle = await open(file, constants.O_RDWR | constants.O_APPEND);
  try {
    const { size } = await handle.stat();
    await handle.truncate(0);
    await handle.write(noteFor(size));
  } finally {
    await handle.close();
  }
}

async function endOfLine(file: string, from: number, size: number): Promise<number> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(lookForLine), 0, lookForLine, from);
    const end = buffer.subarray(0, bytesRead).indexOf(10);
    return end < 0 || from + end + 1 >= size ? from : from + end + 1;
  } finally {
    await handle.close();
  }
}
