import { open } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';
import type { Request, Response } from 'express';
import { PenstockError } from '../errors.js';

/** A comment now and then keeps proxies from cutting a quiet connection. */
const heartbeat = 15_000;
const chunkSize = 64 * 1024;

/** Where a client broke off: the id of the last event that it got, from the header or the query. */
export function lastEventId(request: Request): number | null {
  const text = request.get('last-event-id') ?? '';
  if (text === '') return null;
  if (!/^\d{1,15}$/.test(text)) {
    throw new PenstockError(
      'bad-header',
      `Last-Event-ID: '${text.slice(0, 40)}' is not the id of an event of ours.`,
    );
  }
  return Number(text);
}

/** A stream of server-sent events (WHATWG HTML, 9.2) to one client. */
export function eventStream(request: Request, response: Response) {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  const gone = new AbortController();
  const timer = setInterval(() => response.write(': still here\n\n'), heartbeat);
  timer.unref();
  response.on('close', () => {
    clearInterval(timer);
    gone.abort();
  });
  if (request.method === 'HEAD') {
    response.end();
    gone.abort();
  }

  return {
    /** Aborted when the client has gone. */
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
    end(): void {
      clearInterval(timer);
      response.end();
    },
  };
}

export type EventStream = ReturnType<typeof eventStream>;

/**
 * Sends what stands in a file from an offset on, as events whose id is the offset after them. Bytes that are not
 * UTF-8 are replaced; neither a character nor a CR LF is ever cut in two.
 *
 * @param whole true if nothing more will be written: then what looks unfinished is sent as well
 * @returns the offset reached
 */
export async function sendFile(
  stream: EventStream,
  file: string,
  from: number,
  whole: boolean,
): Promise<number> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch {
    return from; // not made yet
  }
  try {
    const buffer = Buffer.alloc(chunkSize);
    let offset = from;
    while (!stream.signal.aborted) {
      const { bytesRead } = await handle.read(buffer, 0, chunkSize, offset);
      const atEnd = bytesRead < chunkSize;
      const decoder = new StringDecoder('utf8');
      let text = decoder.write(buffer.subarray(0, bytesRead));
      let next = offset + bytesRead - heldBack(decoder);
      if (atEnd && whole) {
        text += decoder.end();
        next = offset + bytesRead;
      } else if (text.endsWith('\r')) {
        // Perhaps the first half of a line's end.
        text = text.slice(0, -1);
        next -= 1;
      }
      if (text !== '') await stream.send({ id: next, data: text });
      offset = next;
      if (atEnd) break;
    }
    return offset;
  } finally {
    await handle.close();
  }
}

/** How many bytes of an unfinished character a decoder keeps. */
function heldBack(decoder: StringDecoder): number {
  const { lastNeed, lastTotal } = decoder as StringDecoder & { lastNeed: number; lastTotal: number };
  return lastNeed > 0 ? lastTotal - lastNeed : 0;
}
