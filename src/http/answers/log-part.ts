import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { fileSize } from '../../store/folder/job-files.js';
import { logStart } from '../../store/folder/log-file.js';
import type { JobFile } from '../../usecases/jobs/job-files.js';
import { saveAs } from '../guards/untrusted.js';
import { queryValue } from './answer.js';

/** A part of a log, [from, to), in bytes from the first byte ever written, even if that was cut away since. */
interface Part {
  from: number;
  to: number;
}

/** What a client asks for with `offset` and `length`. A negative `offset` counts from the end. */
export interface AskedPart {
  offset: number;
  length: number | null;
}

const chunkSize = 64 * 1024;
/** How far to look for the end of a line. A part with longer lines begins or ends in the middle of one. */
const longestLine = 256 * 1024;

/** The part of a log that the query asks for, or null. */
export function askedPart(request: Request): AskedPart | null {
  const offset = wholeNumber(
    request,
    'offset',
    /^-?\d{1,15}$/,
    'a whole number of bytes (a negative one counts from the end)',
  );
  const length = wholeNumber(request, 'length', /^[1-9]\d{0,14}$/, 'a whole number of bytes, 1 or more');
  return offset === null && length === null ? null : { offset: offset ?? 0, length };
}

function wholeNumber(request: Request, name: string, shape: RegExp, is: string): number | null {
  const text = queryValue(request, name);
  if (text === undefined) return null;
  if (shape.test(text)) return Number(text);
  throw new PenstockError('bad-query', `${name}: '${text.slice(0, 40)}' is not ${is}.`, {
    problems: [{ pointer: `?${name}`, detail: `it must be ${is}` }],
  });
}

/**
 * The part of a shortened log that a `Range` asks for. Positions count from the first byte ever written.
 *
 * @returns null for an invalid range, which is ignored
 * @throws PenstockError `range-not-satisfiable` if all of it was cut away or is not written yet
 */
export function rangeOf(header: string, { from: start, to: end }: Part): Part | null {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header) ?? [];
  if (first === '' && last === '') return null;
  const from = first === '' ? end - Number(last) : Number(first);
  const to = first === '' || last === '' ? end : Number(last) + 1;
  if (first !== '' && last !== '' && Number(last) < Number(first)) return null;
  const part = { from: Math.max(from, start), to: Math.min(to, end) };
  if (part.from < part.to) return part;
  throw new PenstockError('range-not-satisfiable', `The log has the bytes from ${start} to ${end}.`, {
    headers: { 'Content-Range': `bytes */${end}` },
  });
}

/** The part that a log has now. */
export const partsOf = ({ file, start }: JobFile): Part => ({
  from: start,
  to: Math.max(start, fileSize(file) ?? 0),
});

/** The headers that say which part of the log the answer has. */
export function positionHeaders(whole: Part, part: Part, attempt: number): Record<string, string> {
  const places = { Start: whole.from, From: part.from, To: part.to, End: whole.to, Attempt: attempt };
  return Object.fromEntries(Object.entries(places).map(([name, place]) => [`Log-${name}`, String(place)]));
}

/** The whole lines within the part that was asked for, including an unfinished line at the end of the log. */
export async function wholeLines(log: JobFile, asked: AskedPart): Promise<Part> {
  const { from: start, to: end } = partsOf(log);
  const wanted = asked.offset < 0 ? end + asked.offset : asked.offset;
  const from = Math.min(Math.max(wanted, start), end);
  const to = asked.length === null ? end : Math.min(Math.max(wanted, 0) + asked.length, end);
  if (from >= to) return { from, to: from };
  const handle = await open(log.file, 'r');
  const read = async (at: number, until: number) => {
    const size = Math.max(0, Math.min(until - at, longestLine));
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, at);
    return buffer.subarray(0, bytesRead);
  };
  try {
    const part = { from, to };
    if (from > start) {
      const found = (await read(from - 1, to)).indexOf(10);
      if (found >= 0 && from + found < to) part.from = from + found;
    }
    if (to < end) {
      const at = Math.max(part.from, to - longestLine);
      const found = (await read(at, to)).lastIndexOf(10);
      if (found >= 0) part.to = at + found + 1;
    }
    return part;
  } finally {
    await handle.close();
  }
}

/** Sends part of a log. Closes the connection if the part is cut away meanwhile, because it would read as zeros. */
export async function sendPart(
  response: Response,
  { file, name }: JobFile,
  part: Part,
  answer: { status: 200 | 206; headers: Record<string, string> },
): Promise<void> {
  saveAs(response, name);
  response.writeHead(answer.status, {
    'Accept-Ranges': 'bytes',
    'Content-Length': String(part.to - part.from),
    'Cache-Control': 'no-cache',
    ...answer.headers,
  });
  if (response.req.method === 'HEAD' || part.from === part.to) {
    response.end();
    return;
  }
  try {
    await pipeline(piecesOf(file, part), response);
  } catch {
    response.destroy();
  }
}

async function* piecesOf(file: string, { from, to }: Part): AsyncGenerator<Buffer> {
  const handle = await open(file, 'r');
  try {
    for (let at = from; at < to; ) {
      const size = Math.min(chunkSize, to - at);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, at);
      if (bytesRead === 0 || logStart(file) > at) throw new Error('the log was cut');
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}
