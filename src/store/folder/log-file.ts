import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

/**
 * A log whose older part was cut away keeps the offsets of its bytes: the file begins with a hole, and a file beside it
 * says where the log now begins.
 */
const noteOf = (file: string) => `${file}.from`;

/** Where a log begins, in bytes from the beginning of its file: 0 unless something was cut away. */
export function logStart(file: string): number {
  try {
    const start = Number(readFileSync(noteOf(file), 'latin1'));
    return Number.isSafeInteger(start) && start > 0 ? start : 0;
  } catch {
    return 0;
  }
}

/** Sets where a log begins. The change is atomic. */
export async function setLogStart(file: string, start: number): Promise<void> {
  await writeFile(`${noteOf(file)}.new`, String(start), { mode: 0o600 });
  await rename(`${noteOf(file)}.new`, noteOf(file));
}
