import { randomUUID } from 'node:crypto';
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
  /** How many there will be, when that is certain. */
  size: number | undefined;
  /** About how many, for a progress bar. */
  expected: number | undefined;
  /** The name that a program which looks at extensions needs to see. */
  name: string | undefined;
}

/** Opens the input: a file, or standard input unless that is a terminal, or none. */
export async function openInput(file: string | false | undefined, io: CliIo): Promise<Input | undefined> {
  if (file === false) return undefined;
  if (file !== undefined && file !== '-') return openFile(file);
  if (io.stdin.isTTY === true && file === undefined) return undefined;
  const stats = statOf(io.stdin.fd);
  // The file offset may be anywhere, as in `{ read header; penstock run …; } < file`: the size is only a guess.
  return {
    stream: io.stdin,
    size: undefined,
    expected: stats?.isFile() ? stats.size : undefined,
    name: undefined,
  };
}

async function openFile(file: string): Promise<Input> {
  try {
    const handle = await open(file, 'r');
    const stats = await handle.stat();
    if (stats.isDirectory()) {
      await handle.close();
      throw new Error('it is a folder');
    }
    const size = stats.isFile() ? stats.size : undefined;
    // Not a byte more than was announced, also when somebody appends to the file meanwhile.
    const stream =
      size === 0
        ? Readable.from([])
        : createReadStream('', { fd: handle, ...(size === undefined ? {} : { end: size - 1 }) });
    if (size === 0) await handle.close();
    return { stream, size, expected: size, name: basename(file) };
  } catch (error) {
    throw usageError(`The input ${file} cannot be read: ${messageOf(error)}`);
  }
}

function statOf(fd: number | undefined): Stats | undefined {
  try {
    return fd === undefined ? undefined : fstatSync(fd);
  } catch {
    return undefined;
  }
}

/** A body of `multipart/form-data` with the options of a run as JSON and then the input, of any size. */
export function multipart(
  job: Record<string, unknown>,
  input: Input,
): { type: string; length: number | undefined; head: Buffer; tail: Buffer } {
  const boundary = `penstock-${randomUUID()}`;
  // Escaped as browsers do it (WHATWG HTML, multipart/form-data encoding algorithm).
  const name = (input.name ?? 'input').replace(/["\r\n]/g, (character) => encodeURIComponent(character));
  const head = Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="job"\r\nContent-Type: application/json\r\n\r\n` +
      `${JSON.stringify(job)}\r\n--${boundary}\r\nContent-Disposition: form-data; name="input_file"; ` +
      `filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    length: input.size === undefined ? undefined : head.length + input.size + tail.length,
    head,
    tail,
  };
}
