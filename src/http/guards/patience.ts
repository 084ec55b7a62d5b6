import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';

/** How long a client may take to send something, in milliseconds. */
export interface Patience {
  /** Until the headers of a request are there. */
  headers: number;
  /** Between two pieces of a body. */
  silence: number;
  /** Until a body is there that is read as a whole. An upload may take as long as something comes. */
  body: number;
}

const patienceOf = (request: Request): Patience => request.app.locals.patience as Patience;

const tooSlow = (detail: string) => new PenstockError('too-slow', `The body came too slowly: ${detail}.`);

/**
 * Watches a body while somebody reads it.
 *
 * @param whole whether there is a bound on the time until it is there
 * @param late called with what is wrong, again and again, until the watch ends
 * @returns what ends the watch
 */
export function watchBody(
  request: Request,
  whole: boolean,
  late: (error: PenstockError) => void,
): () => void {
  const { silence, body } = patienceOf(request);
  const began = performance.now();
  let heard = began;
  let bytes = request.socket.bytesRead;
  const look = () => {
    const now = performance.now();
    // What has come and waits to be read is no delay of the client's.
    if (request.socket.bytesRead !== bytes || request.readableLength > 0) {
      bytes = request.socket.bytesRead;
      heard = now;
    }
    if (now - heard >= silence) late(tooSlow(`nothing came for ${silence / 1000} s`));
    else if (whole && now - began >= body) late(tooSlow(`it was not there after ${body / 1000} s`));
  };
  const timer = setInterval(look, Math.min(silence, body) / 4);
  return () => clearInterval(timer);
}

/** Ends a connection on which a body is still awaited long after its request was answered: nobody reads it any more. */
export const endUnread: RequestHandler = (request, response, next) => {
  response.on('finish', () => {
    if (request.complete) return;
    const { socket } = request;
    const timer = setTimeout(() => {
      if (!request.complete) socket.destroy();
    }, patienceOf(request).silence);
    socket.once('close', () => clearTimeout(timer));
  });
  next();
};
