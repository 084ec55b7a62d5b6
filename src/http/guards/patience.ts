import type { Request, RequestHandler } from 'express';
import { PenstockError } from '../../lib/errors.js';

/** How long a client may take to send a request, in milliseconds. */
export interface Patience {
  /** For the headers of a request. */
  headers: number;
  /** Between two pieces of a body. */
  silence: number;
  /** For a body that is read as a whole. An upload may take any time as long as bytes arrive. */
  body: number;
}

const patienceOf = (request: Request): Patience => request.app.locals.patience as Patience;

const tooSlow = (detail: string) => new PenstockError('too-slow', `The body arrived too slowly: ${detail}.`);

/**
 * Watches a body while it is being read.
 *
 * @param whole whether the time limit for a whole body applies
 * @param late called with the error, repeatedly, until the watch ends
 * @returns a function that ends the watch
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
    // Bytes that have arrived and wait to be read are not the client's delay.
    if (request.socket.bytesRead !== bytes || request.readableLength > 0) {
      bytes = request.socket.bytesRead;
      heard = now;
    }
    if (now - heard >= silence) late(tooSlow(`no bytes for ${silence / 1000} s`));
    else if (whole && now - began >= body) late(tooSlow(`it was incomplete after ${body / 1000} s`));
  };
  const timer = setInterval(look, Math.min(silence, body) / 4);
  return () => clearInterval(timer);
}

/** Closes a connection whose body is still incomplete long after the answer, because nobody reads it any more. */
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
