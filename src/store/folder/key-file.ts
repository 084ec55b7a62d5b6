import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';

const bytes = 32;

/** The file with the key that webhook secrets are derived from. */
export const webhookKeyFile = (data: string): string => path.join(data, 'webhook-key');

/**
 * The key in a file, created at the first start. It is not in the database, so that a copy of the database is not
 * enough to sign. Throws if the file holds something else: a new key would make every receiver refuse.
 *
 * @returns 32 bytes, and whether they are new
 */
export function keyFile(file: string): { key: Buffer; made: boolean } {
  const made = !existsSync(file);
  if (made) makeKey(file);
  const key = readFileSync(file);
  if (key.length !== bytes) {
    throw new Error(
      `${file} is not a key of ${bytes} bytes. Put the file from a backup in its place; without it all webhook secrets are lost`,
    );
  }
  return { key, made };
}

/** Under another name until it is on disk, so that an interrupted start leaves no half-written key. */
function makeKey(file: string): void {
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  const descriptor = openSync(partial, 'wx', 0o600);
  try {
    writeSync(descriptor, randomBytes(bytes));
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(partial, file);
  const folder = openSync(path.dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
