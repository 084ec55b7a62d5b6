import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Response } from 'express';
import { bytesOf, type FilePart } from '../../store/folder/file-part.js';
import { saveAs } from '../guards/untrusted.js';

/** A file of an archive; `name` is its path there. */
export interface Archived extends FilePart {
  name: string;
}

export const archiveFormats = ['zip', 'tar'] as const;
export type ArchiveFormat = (typeof archiveFormats)[number];

/**
 * Sends files as an archive while they are read. Nothing is read ahead of a slow client. If a file cannot be read to its
 * end, the connection breaks, since nothing else would tell that the archive is not whole.
 *
 * @param changed when the files were made
 */
export async function sendArchive(
  response: Response,
  format: ArchiveFormat,
  name: string,
  files: readonly Archived[],
  changed: Date,
): Promise<void> {
  const reading = new AbortController();
  saveAs(response, name);
  if (response.req.method === 'HEAD') {
    response.status(200).end();
    return;
  }
  const archive = await (format === 'zip' ? zipOf : tarOf)(files, changed, reading.signal);
  try {
    await pipeline(archive, response);
  } catch {
    // The client has gone, or a file is no longer whole. It is too late for an error.
    response.destroy();
  } finally {
    reading.abort();
  }
}

/** Level 1 is several times faster than the default, and hardly worse for what is large. */
const compressionLevel = 1;
/** What whoever unpacks it may do with a file: programs choose odd modes. */
const mode = 0o100644;

async function zipOf(files: readonly Archived[], mtime: Date, signal: AbortSignal): Promise<Readable> {
  const { default: yazl } = await import('yazl');
  const zip = new yazl.ZipFile();
  const archive = zip.outputStream as Readable;
  zip.on('error', (error: Error) => archive.destroy(error));
  for (const file of files) {
    const { name, size } = file;
    // Each file is opened when those before it have been sent.
    zip.addReadStreamLazy(name, { size, mtime, mode, compressionLevel }, (give) => {
      const stream = Readable.from(bytesOf(file, signal), { objectMode: false });
      stream.on('error', (error) => zip.emit('error', error));
      give(null, stream);
    });
  }
  zip.end();
  return archive;
}

async function tarOf(files: readonly Archived[], mtime: Date, signal: AbortSignal): Promise<Readable> {
  const { default: tar } = await import('tar-stream');
  const pack = tar.pack();
  // Whoever reads it is told as well.
  pack.on('error', () => undefined);
  const add = async (file: Archived) => {
    const { name, size } = file;
    const added = new Promise<void>((resolve, reject) => {
      const header = { name, size, mtime, mode, type: 'file' } as const;
      const entry: NodeJS.WritableStream = pack.entry(header, (error) =>
        error == null ? resolve() : reject(error),
      );
      entry.on('error', reject);
      const fill = async () => {
        for await (const piece of bytesOf(file, signal)) {
          if (!entry.write(piece)) await drained(entry, signal);
        }
        entry.end();
      };
      fill().catch(reject);
    });
    await added;
  };
  const addAll = async () => {
    for (const file of files) await add(file);
    pack.finalize();
  };
  addAll().catch((error: Error) => pack.destroy(error));
  return Readable.from(pack, { objectMode: false });
}

/** Returns when a stream takes more. Throws if that will never be, because nobody reads the archive any more. */
function drained(entry: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    entry.once('drain', () => {
      signal.removeEventListener('abort', stop);
      resolve();
    });
  });
}
