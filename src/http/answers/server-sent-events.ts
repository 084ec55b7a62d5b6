import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { Request, RequestHandler, Response } from 'express';
import { PenstockError } from '../../lib/errors.js';
import { logStart } from '../../store/folder/log-file.js';
import type { Json } from '../openapi/openapi-parts.js';
import type { Parameters } from '../parameters.js';
import { actorOf, queryValue } from './answer.js';

/** Milliseconds between comments, which keep proxies from closing a quiet connection. */
const heartbeat = 15_000;
const chunkSize = 64 * 1024;
/** Milliseconds after which a stream checks its login again before it sends anything, because logins may end. */
const loginCheck = 5000;
/** Milliseconds after which an idle stream checks its login too. */
const idle = 60_000;

/** Whether the client wants a live stream. */
export function followOf(request: Request): boolean {
  const text = queryValue(request, 'follow');
  if (text === undefined || text === '0' || text === 'false') {
    if (queryValue(request, 'last_event_id') === undefined) return false;
    const detail = 'last_event_id only works with a live stream. Add follow=1.';
    throw new PenstockError('bad-query', detail, { problems: [{ pointer: '?last_event_id', detail }] });
  }
  if (text === '' || text === '1' || text === 'true') return true;
  throw new PenstockError('bad-query', `follow: '${text}' must be 1 or 0.`, {
    problems: [{ pointer: '?follow', detail: 'it must be 1 or 0' }],
  });
}

/**
 * The id of the last event that a client got. It is in the header, or in the query for clients that cannot set headers.
 * A browser that reconnects sends both, and the header is newer.
 */
export function lastEventId(request: Request): number | null {
  const text = lastEventText(request, /^\d{1,15}$/);
  return text === null ? null : Number(text);
}

/** How a client says that, for the API's description. */
export const resuming = (id: Json = { type: 'integer' }): { query: Parameters; headers: Parameters } => ({
  query: { last_event_id: [id, 'The same, for clients that cannot set headers.'] },
  headers: { 'Last-Event-ID': [id, 'The id of the last event received, to resume a stream.'] },
});

/** The same as text, for streams with other ids. */
export function lastEventText(request: Request, shape: RegExp): string | null {
  const header = request.get('last-event-id') ?? '';
  const text = header === '' ? (queryValue(request, 'last_event_id') ?? '') : header;
  if (text === '') return null;
  if (shape.test(text)) return text;
  const detail = `'${text.slice(0, 40)}' is not the id of an event.`;
  if (header !== '') throw new PenstockError('bad-header', `Last-Event-ID: ${detail}`);
  throw new PenstockError('bad-query', `last_event_id: ${detail}`, {
    problems: [{ pointer: '?last_event_id', detail }],
  });
}

/**
 * A stream of server-sent events (WHATWG HTML, 9.2) to one client.
 *
 * @param stopping ends the stream when aborted, so that a stopping server does not wait for it
 */
export function eventStream(request: Request, response: Response, stopping: AbortSignal) {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const gone = new AbortController();
  const timer = setInterval(() => {
    // Do not fill the buffer of a client that does not read.
    if (!response.writableNeedDrain) response.write(': still here\n\n');
  }, heartbeat);
  timer.unref();
  const end = () => {
    clearInterval(timer);
    stopping.removeEventListener('abort', end);
    gone.abort();
    if (!response.writableEnded) response.end();
  };
  stopping.addEventListener('abort', end);
  response.on('close', end);
  // If it is over already, no event will say so.
  if (request.method === 'HEAD' || stopping.aborted || response.closed) end();

  return {
    /** Aborted when the client disconnects or the stream ends. */
    signal: gone.signal,
    /** Sends an event; returns when the client has room for more. */
    async send(event: { name?: string; id?: number | string; data: string }): Promise<void> {
      const lines = event.data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
      const head = `${event.name === undefined ? '' : `event: ${event.name}\n`}${event.id === undefined ? '' : `id: ${event.id}\n`}`;
      if (gone.signal.aborted || response.write(`${head}${lines.join('')}\n`)) return;
      await new Promise<void>((resolve) => {
        const go = () => {
          response.off('drain', go);
          gone.signal.removeEventListener('abort', go);
          resolve();
        };
        response.once('drain', go);
        gone.signal.addEventListener('abort', go);
      });
    },
    /** Sends an id without an event, for the client to resume from. */
    place(id: number): void {
      if (!gone.signal.aborted) response.write(`id: ${id}\n\n`);
    },
    end,
  };
}

/**
 * Checks from time to time whether a stream's login is still valid.
 *
 * @returns a function to call before sending: false if the login is no longer valid or has other rights now
 */
export function loginKeeper(
  authenticate: RequestHandler,
  request: Request,
  response: Response,
): () => Promise<boolean> {
  const { id, admin } = actorOf(response);
  let checked = performance.now();
  return async () => {
    if (performance.now() - checked < loginCheck) return true;
    const error = await new Promise<unknown>((resolve) => void authenticate(request, response, resolve));
    checked = performance.now();
    const now = actorOf(response);
    return error === undefined && now.id === id && now.admin === admin;
  };
}

/** Lets a loop wait until something rings, any number of times. */
export function doorbell(signal: AbortSignal) {
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    reset(): void {
      rung = signal.aborted;
    },
    /** Returns once it has rung since the reset, and also after a long idle time. */
    async rung(): Promise<void> {
      if (rung) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, idle);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      wake = () => {};
    },
  };
}

export type EventStream = ReturnType<typeof eventStream>;

/**
 * Sends a log from an offset on, as events whose id is the offset after them. Never splits a character. Skips what was
 * cut away.
 *
 * @param how `whole`: the log is complete, so send even an unfinished character; `idOf`: makes an event's id from the
 *   offset; `exact`: data is JSON, a string or `{"base64": …}` if it is not UTF-8. Otherwise data is the text itself: a
 *   CR ends a line, as in every stream of events, and bytes that are not UTF-8 are replaced
 * @returns the offset reached
 */
export async function sendLog(
  stream: EventStream,
  file: string,
  from: number,
  { whole, exact, idOf }: { whole: boolean; exact: boolean; idOf: (offset: number) => number | string },
): Promise<number> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch {
    return from; // does not exist yet
  }
  try {
    const buffer = Buffer.alloc(chunkSize);
    // A log that has become shorter was started over.
    let offset = from > (await handle.stat()).size ? 0 : from;
    while (!stream.signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, chunkSize, offset);
      // Only after the read: bytes that were cut away before it read as zeros.
      const start = logStart(file);
      if (start > offset) {
        offset = start;
        continue;
      }
      const atEnd = bytesRead < chunkSize;
      const decoder = new StringDecoder('utf8');
      let text = decoder.write(buffer.subarray(0, bytesRead));
      let next = offset + bytesRead - heldBack(decoder);
      if (atEnd && whole) {
        text += decoder.end();
        next = offset + bytesRead;
      } else if (!exact && text.endsWith('\r')) {
        // It may be the first half of a CR LF.
        text = text.slice(0, -1);
        next -= 1;
      }
      const data = exact ? exactly(buffer.subarray(0, next - offset), text) : text;
      if (text !== '') await stream.send({ id: idOf(next), data });
      offset = next;
      if (atEnd) break;
    }
    return offset;
  } finally {
    await handle.close();
  }
}

/** Bytes as JSON: as text if they are UTF-8, else in base64. */
const exactly = (bytes: Buffer, text: string): string =>
  JSON.stringify(isUtf8(bytes) ? text : { base64: bytes.toString('base64') });

/** How many bytes of an unfinished character a decoder holds back. */
function heldBack(decoder: StringDecoder): number {
  const { lastNeed, lastTotal } = decoder as StringDecoder & { lastNeed: number; lastTotal: number };
  return lastNeed > 0 ? lastTotal - lastNeed : 0;
}
