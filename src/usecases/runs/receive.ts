import { createHash, type Hash } from 'node:crypto';
import { closeSync, fdatasync, mkdirSync, openSync, statSync, writeSync, writev } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import type { InputDeclaration } from '../../domain/inputs/declaration.js';
import { mostFiles, tooLargeFile } from '../../domain/inputs/input-values.js';
import { PenstockError } from '../../lib/errors.js';
import { below } from '../../lib/pointer.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { invalid } from '../body.js';

const syncFile = promisify(fdatasync);
const writeMany = promisify(writev);

/** Up to this size an input is collected and written at once; a larger one goes to disk piece by piece. */
const smallInput = 256 * 1024;
const writeSize = 256 * 1024;
const mostGathered = 4 * 1024 * 1024;
const syncEvery = 128 * 1024 * 1024;

/** A received input: stored, but not yet part of a job. */
export interface Received {
  uuid: string;
  input: { name: string; size: number } | null;
  /** Of the input's bytes, if requested. */
  digest: string | null;
  /** Inputs beside it, by their names: the digest of each. */
  named: Record<string, string | null>;
  /** The files of declared inputs, the main one included. */
  files: Record<string, ReceivedFile[]>;
  /** The values of declared inputs, as they were sent. */
  values: Record<string, unknown>;
}

/** A file of a declared input. The digest, if it was requested, tells it from others. */
export interface ReceivedFile {
  name: string;
  size: number;
  digest: string | null;
}

/** A file name from outside, or an error if it could lead out of its folder. */
export function checkedFileName(name: string, pointer: string): string {
  const detail = fileNameProblem(name);
  if (detail === undefined) return name;
  throw new PenstockError('invalid-body', `${pointer}: ${detail}`, { problems: [{ pointer, detail }] });
}

const tooLarge = (limit: number) =>
  new PenstockError(
    'too-large',
    `The input is larger than this server accepts: ${limit} bytes (MAX_INPUT_SIZE).`,
  );

/**
 * Bytes on their way to a file: while some are being written, further ones are collected for the next write. The disk
 * starts long before the end, so the last sync has little to do.
 */
function fileSink(descriptor: number) {
  let gathered: Buffer[] = [];
  let size = 0;
  let unsynced = 0;
  let working: Promise<void> | null = null;

  async function work(): Promise<void> {
    const chunks = gathered;
    gathered = [];
    size = 0;
    for (let left = chunks; left.length > 0; ) {
      const { bytesWritten } = await writeMany(descriptor, left);
      unsynced += bytesWritten;
      left = after(left, bytesWritten);
    }
    if (unsynced > syncEvery) {
      unsynced = 0;
      await syncFile(descriptor);
    }
  }
  /** Starts the next write when the previous one is done, without waiting for it. */
  function start(): void {
    if (working !== null || gathered.length === 0) return;
    working = work().finally(() => {
      working = null;
    });
    // The next caller that waits gets the failure; until then it must not count as unhandled.
    working.catch(() => {});
  }
  return {
    /** Takes a chunk; waits only while too much is pending. */
    async write(chunk: Buffer): Promise<void> {
      gathered.push(chunk);
      size += chunk.length;
      if (size >= writeSize) start();
      while (size > mostGathered && working !== null) await working;
    },
    /** Writes the rest. */
    async end(): Promise<void> {
      while (working !== null || gathered.length > 0) {
        start();
        await working;
      }
    },
  };
}

/** What is left of chunks after so many bytes were written. */
function after(chunks: Buffer[], written: number): Buffer[] {
  let done = written;
  for (const [index, chunk] of chunks.entries()) {
    if (done < chunk.length) return [chunk.subarray(done), ...chunks.slice(index + 1)];
    done -= chunk.length;
  }
  return [];
}

/** An object for names from outside, which has nothing that it was not given. */
const byName = <T>(): Record<string, T> => Object.create(null) as Record<string, T>;

const tooLargeProblem = (input: InputDeclaration, name: string) => ({
  pointer: below('/inputs', input.name),
  detail: tooLargeFile(input, name),
});

/** How many bytes a file may have, and the error for more. */
interface Limit {
  bytes: number;
  error: () => Error;
}

/** Stores bytes from outside on disk: streamed, bounded, and durable before it returns. */
export function receiver(files: JobFiles, limit: number) {
  /** Writes a stream to a new file. */
  async function write(
    file: string,
    stream: AsyncIterable<Buffer | string>,
    digest: boolean,
    most: Limit = { bytes: limit, error: () => tooLarge(limit) },
  ): Promise<{ size: number; digest: string | null }> {
    const hash: Hash | null = digest ? createHash('sha256') : null;
    const gathered: Buffer[] = [];
    let descriptor: number | null = null;
    let sink: ReturnType<typeof fileSink> | null = null;
    let size = 0;
    try {
      for await (const piece of stream) {
        const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
        size += chunk.length;
        if (size > most.bytes) throw most.error();
        hash?.update(chunk);
        if (sink !== null) await sink.write(chunk);
        else {
          gathered.push(chunk);
          if (size > smallInput) {
            descriptor = openSync(file, 'wx', 0o600);
            sink = fileSink(descriptor);
            for (const early of gathered.splice(0)) await sink.write(early);
          }
        }
      }
      await sink?.end();
      if (descriptor === null) {
        descriptor = openSync(file, 'wx', 0o600);
        for (const chunk of gathered) writeSync(descriptor, chunk);
      }
      await syncFile(descriptor);
    } finally {
      // A write may still be pending when the client has gone, and it needs the descriptor until it ends.
      await sink?.end().catch(() => {});
      if (descriptor !== null) closeSync(descriptor);
    }
    return { size, digest: hash?.digest('hex') ?? null };
  }

  /** The place of the next file of an input. */
  function reserve(received: Received, input: InputDeclaration, main: boolean, name: string) {
    const given = received.files[input.name] ?? [];
    if (given.length >= (input.kind === 'file' ? 1 : mostFiles)) {
      const detail =
        input.kind === 'file'
          ? `${input.name} is one file, and more were sent`
          : `${input.name} may have at most ${mostFiles} files`;
      throw invalid('invalid-input', [{ pointer: below('/inputs', input.name), detail }]);
    }
    const file: ReceivedFile = { name, size: 0, digest: null };
    received.files[input.name] = [...given, file];
    const folder = files.incoming(received.uuid);
    if (main) return { file, place: path.join(folder, 'input') };
    const place =
      input.kind === 'file'
        ? path.join(folder, 'inputs', input.name)
        : path.join(folder, 'inputs', input.name, String(given.length));
    mkdirSync(path.dirname(place), { recursive: true, mode: 0o700 });
    return { file, place };
  }

  function settle(received: Received, input: InputDeclaration, main: boolean, file: ReceivedFile): void {
    if (main) {
      received.input = { name: file.name, size: file.size };
      received.digest = file.digest;
    } else received.named[input.name] = file.digest;
  }

  return {
    limit,

    /** Makes a folder for a future job. */
    begin(uuid: string): Received {
      files.receive(uuid);
      return { uuid, input: null, digest: null, named: {}, files: byName(), values: byName() };
    },

    /** Stores an input. Throws `too-large`, and whatever the stream or the disk throws. */
    async store(
      received: Received,
      name: string,
      stream: AsyncIterable<Buffer | string>,
      options: { digest: boolean },
    ): Promise<void> {
      const file = path.join(files.incoming(received.uuid), 'input');
      const { size, digest } = await write(file, stream, options.digest);
      received.input = { name, size };
      received.digest = digest;
    },

    /**
     * Stores a file of a declared input, after those that it has already. Throws as `store` does, and `invalid-input` if it
     * is larger than its declaration allows.
     *
     * @param main whether it is the main input
     * @returns where it is stored
     */
    async storeFile(
      received: Received,
      input: InputDeclaration,
      main: boolean,
      name: string,
      stream: AsyncIterable<Buffer | string>,
      options: { digest: boolean },
    ): Promise<string> {
      const { file, place } = reserve(received, input, main, name);
      const bytes = Math.min(limit, input.maxSize ?? limit);
      const error = () =>
        bytes === input.maxSize ? invalid('invalid-input', [tooLargeProblem(input, name)]) : tooLarge(limit);
      Object.assign(file, await write(place, stream, options.digest, { bytes, error }));
      settle(received, input, main, file);
      return place;
    },

    /** Takes a file that is here already, such as another job's output, as a file of a declared input: a link, or a copy. */
    async linkFile(
      received: Received,
      input: InputDeclaration,
      main: boolean,
      name: string,
      from: { file: string; identity: string },
    ): Promise<string> {
      const { file, place } = reserve(received, input, main, name);
      const size = statSync(from.file).size;
      if (size > Math.min(limit, input.maxSize ?? limit)) {
        throw size > limit ? tooLarge(limit) : invalid('invalid-input', [tooLargeProblem(input, name)]);
      }
      await files.link(from.file, place);
      Object.assign(file, { size, digest: from.identity });
      settle(received, input, main, file);
      return place;
    },

    /** Deletes what was received. */
    drop: (received: Received): Promise<void> => files.reject(received.uuid),
  };
}

export type Receiver = ReturnType<typeof receiver>;
