import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import { transferBar } from '../terminal/progress.js';
import { CliError, Ended, exitCodes } from './failure.js';
import { type Answer, ConnectionError, counter } from './transport.js';

/**
 * Streams an answer to standard output, and leaves that open.
 *
 * @param more `binary`: the command that writes it to a file, for when the bytes are not fit for a terminal; without
 *   it, everything is sent
 */
export async function toStdout(
  answer: Answer,
  io: CliIo,
  more: { signal?: AbortSignal; binary?: string } = {},
): Promise<void> {
  const { signal, binary } = more;
  try {
    if (binary !== undefined && io.stdout.isTTY === true && (await isBinary(answer.body))) {
      answer.body.destroy();
      throw new CliError('The output is binary, and a terminal cannot show it.', {
        hints: [`To write it to a file: ${binary}`],
      });
    }
    await pipeline(answer.body, io.stdout, { end: false, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    throw transferError(error, signal);
  }
}

/** Whether the first bytes hold a NUL, as no text does. */
async function isBinary(body: Readable): Promise<boolean> {
  await once(body, 'readable');
  const beginning = body.read() as Buffer | null;
  if (beginning === null) return false;
  body.unshift(beginning);
  return beginning.subarray(0, 8192).includes(0);
}

/** Streams an answer to a file that appears under its name only when it is complete. */
export async function toFile(answer: Answer, file: string, io: CliIo, signal?: AbortSignal): Promise<void> {
  const place = await placeOf(file);
  const size = Number(answer.headers['content-length'] ?? Number.NaN);
  const bar = transferBar(io, 'downloading', Number.isSafeInteger(size) ? size : undefined);
  try {
    await pipeline(
      answer.body,
      counter(bar.update),
      createWriteStream(
        place.temporary ?? place.target,
        place.temporary === undefined ? {} : { flags: 'wx', mode: place.mode },
      ),
      signal === undefined ? {} : { signal },
    );
    if (place.temporary !== undefined) await rename(place.temporary, place.target);
  } catch (error) {
    if (place.temporary !== undefined) await rm(place.temporary, { force: true });
    throw transferError(error, signal, file);
  } finally {
    bar.stop();
  }
}

/**
 * Where to write. Only a regular file is replaced: a device or FIFO, such as /dev/null, is written to, and a symbolic
 * link keeps its target.
 */
async function placeOf(file: string): Promise<{ target: string; temporary?: string; mode?: number }> {
  const target = await realpath(file).catch(() => file);
  const stats = await stat(target).catch(() => undefined);
  if (stats?.isDirectory())
    throw new CliError(`Cannot write the output to ${file}: it is a folder.`, { exitCode: exitCodes.usage });
  if (stats !== undefined && !stats.isFile()) return { target };
  const temporary = join(
    dirname(target),
    `.${basename(target).slice(0, 200)}.${randomUUID().slice(0, 8)}.part`,
  );
  return { target, temporary, mode: stats === undefined ? 0o666 : stats.mode & 0o777 };
}

function transferError(error: unknown, signal: AbortSignal | undefined, file?: string): Error {
  if (signal?.aborted) return new Ended(exitCodes.interrupted);
  if (error instanceof CliError) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  // The reader of our output has closed it, as `head` does.
  if (code === 'EPIPE') return new Ended(exitCodes.brokenPipe);
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE') {
    return new ConnectionError('The connection was lost before the output was complete.', {
      cause: error,
    });
  }
  const where = file === undefined ? 'to standard output' : `to ${file}`;
  return syscall === undefined && !(error instanceof Error)
    ? new CliError(messageOf(error))
    : new CliError(`Cannot write the output ${where}: ${messageOf(error)}`, { cause: error });
}
