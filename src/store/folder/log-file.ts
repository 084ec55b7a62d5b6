import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';

/**
 * A log whose older part was cut away keeps the places of its bytes: the file begins with a hole, and beside it stands
 * where the log begins now.
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

/** Says where a log begins from now on. It is there as a whole, or as it was. */
export async function setLogStart(file: string, start: number): Promise<void> {
  await writeFile(`${noteOf(file)}.new`, String(start), { mode: 0o600 });
  await rename(`${noteOf(file)}.new`, noteOf(file));
}
