import { closeSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Response } from 'express';
import { changedAt } from '../../store/folder/file-part.js';
import { fileSize } from '../../store/folder/job-files.js';
import type { JobFile } from '../../usecases/jobs/job-files.js';
import { saveAs } from '../guards/untrusted.js';

const smallFile = 64 * 1024;

function readPart(file: string, start: number, length: number): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, length, start));
  } finally {
    closeSync(descriptor);
  }
}

/** Headers of requests that ask for more than simply the whole file. */
const conditional = [
  'range',
  'if-match',
  'if-none-match',
  'if-modified-since',
  'if-unmodified-since',
  'if-range',
];

/**
 * Closes the connection if a file turns out to be shorter than announced, because a program or the cap of a log has cut
 * it meanwhile. Otherwise the client would read the next answer as the rest of the file.
 */
function closeIfShort(response: Response): void {
  response.once('pipe', (file: Readable) => {
    let sent = 0;
    file.on('data', (piece: Buffer) => {
      sent += piece.length;
    });
    // Runs before the response sees the end and counts as complete.
    file.prependListener('end', () => {
      if (sent < Number(response.getHeader('Content-Length'))) response.destroy();
    });
  });
}

/**
 * Sends a file of a job, with `Range` and conditional requests.
 *
 * @param more its media type, if it does not follow from its name; and whether to send an ETag, which needs a file that
 *   is no longer written to
 */
export async function sendBytes(
  response: Response,
  { file, name, start }: JobFile,
  more: { type?: string | null; etag?: boolean } = {},
): Promise<void> {
  const whole = fileSize(file);
  const size = whole === null ? null : Math.max(0, whole - start);
  const suffix = /^bytes=-(\d+)$/.exec(response.req.headers.range ?? '')?.[1];
  // The last n bytes of a shorter file are the whole file (RFC 9110, 14.1.2). The library calls that unsatisfiable.
  if (suffix !== undefined && size !== null && size > 0 && Number(suffix) > size) {
    response.req.headers.range = 'bytes=0-';
  }
  if (size === null) {
    // The file of a log does not exist before the program starts.
    response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': '0' }).end();
    return;
  }
  saveAs(response, name);
  if (more.type != null) response.setHeader('Content-Type', more.type);
  if (more.etag)
    response.setHeader('ETag', `W/"${size.toString(36)}-${changedAt(file).getTime().toString(36)}"`);
  const asked = conditional.some((header) => response.req.headers[header] !== undefined);
  if (size <= smallFile && !asked) {
    // Small files are sent at once, without a stream.
    const bytes = readPart(file, start, size);
    response.writeHead(200, { 'Content-Length': bytes.length, 'Accept-Ranges': 'bytes' });
    response.end(response.req.method === 'HEAD' ? undefined : bytes);
    return;
  }
  closeIfShort(response);
  await new Promise<void>((resolve, reject) => {
    response.sendFile(file, { dotfiles: 'allow', cacheControl: false, start }, (error?: Error) => {
      if (error === undefined || error === null) resolve();
      else if (response.headersSent || response.req.destroyed) {
        // The client disconnected, or the file cannot be read to its end. It is too late for an error.
        response.destroy();
        resolve();
      } else reject(error);
    });
  });
}
