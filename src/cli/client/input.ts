import { createReadStream, fstatSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import { usageError } from './failure.js';

/** Where the bytes for a run come from. */
export interface Input {
  stream: Readable;
  /** The exact number of bytes, if it is known. */
  size: number | undefined;
  /** The approximate number, for a progress bar. */
  expected: number | undefined;
  /** The file name, for programs that look at the extension. */
  name: string | undefined;
}

/** Opens the input: a file, else standard input unless that is a terminal, else nothing. */
export async function openInput(file: string | false | undefined, io: CliIo): Promise<Input | undefined> {
  if (file === false) return undefined;
  if (file !== undefined && file !== '-') return openFile(file);
  if (io.stdin.isTTY === true && file === undefined) return undefined;
  const stats = statOf(io.stdin.fd);
  // Part of the file may have been read, as in `{ read header; penstock run …; } < file`: the size is a guess.
  return {
    stream: io.stdin,
    size: undefined,
    expected: stats?.isFile() ? stats.size : undefined,
    name: undefined,
  };
}

/**
 * Opens a file.
 *
 * @param announced the number of bytes that the server has been told to expect, if it has been
 */
export async function openFile(file: string, announced?: number): Promise<Input> {
  try {
    const handle = await open(file, 'r');
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      await handle.close();
      throw new Error('is a folder');
    }
    const size = announced ?? (stats.isFile() ? stats.size : undefined);
    // Never more than the announced size, even if something appends to the file meanwhile.
    const stream =
      size === 0
        ? Readable.from([])
        : createReadStream('', { fd: handle, ...(size === undefined ? {} : { end: size - 1 }) });
    if (size === 0) await handle.close();
    return { stream, size, expected: size, name: basename(file) };
  } catch (error) {
    throw usageError(`Cannot read the input ${file}: ${messageOf(error)}`);
  }
}

/** What standard input is; undefined if nobody can tell. */
export function statOf(fd: number | undefined): Stats | undefined {
  try {
    return fd === undefined ? undefined : fstatSync(fd);
  } catch {
    return undefined;
  }
}
