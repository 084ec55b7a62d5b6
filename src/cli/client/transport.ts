import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Readable, Transform } from 'node:stream';
import { messageOf } from '../../lib/errors.js';
import { CliError } from './failure.js';

interface Ask {
  method: string;
  url: URL;
  headers: Record<string, string>;
  body?: string | Readable | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a single byte from the server after which it counts as gone. */
  silence?: number | undefined;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

/** The server could not be reached, or went away in the middle; asking again may help. */
export class ConnectionError extends CliError {}

/**
 * One HTTP request. Node's own client and not fetch: a body is streamed at the pace of the slower side,
 * an answer that comes before the upload has ended is seen, and no hidden time limit ends a long wait.
 */
export function send(ask: Ask): Promise<Answer> {
  const { method, url, headers, body, signal, silence } = ask;
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method,
    headers:
      typeof body === 'string' ? { ...headers, 'Content-Length': `${Buffer.byteLength(body)}` } : headers,
    ...(signal === undefined ? {} : { signal }),
  });
  const upload = new AbortController();
  return new Promise<Answer>((resolve, reject) => {
    request.on('response', (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response });
      if (request.writableEnded) return;
      // An early refusal: what has not been sent yet is of no use to anybody.
      upload.abort();
      response.once('close', () => request.destroy());
    });
    request.on('error', (error) => reject(signal?.aborted ? error : connectionError(url, error)));
    if (silence !== undefined) {
      request.setTimeout(silence, () => request.destroy(new Error('the server has gone silent')));
    }
    if (body === undefined || typeof body === 'string') request.end(body);
    else feed(body, request, upload.signal, reject);
  });
}

/** Streams a body. Errors of the connection arrive at the request; those of the source are told from here. */
function feed(
  body: Readable,
  request: ReturnType<typeof httpRequest>,
  stop: AbortSignal,
  fail: (error: unknown) => void,
): void {
  body.once('error', (error) => {
    fail(new CliError(`The input cannot be read: ${messageOf(error)}`, { cause: error }));
    request.destroy();
  });
  stop.addEventListener('abort', () => {
    body.unpipe();
    body.destroy();
  });
  body.pipe(request);
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'the name of the host cannot be looked up right now',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it',
  ENETUNREACH: 'there is no way to it',
};

function connectionError(url: URL, error: NodeJS.ErrnoException): ConnectionError {
  const why = reasons[error.code ?? ''] ?? (error.message || error.code || 'unknown reason');
  return new ConnectionError(`The server at ${url.origin} cannot be reached: ${why}.`, {
    cause: error,
    hints:
      error.code === 'ECONNREFUSED'
        ? ['Is it running (penstock serve)? Another one is chosen by --url or PENSTOCK_URL.']
        : [],
  });
}

/** The whole body as text; for answers that are known to be short. */
export async function textOf(answer: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer.body) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new ConnectionError(`The answer of the server broke off: ${messageOf(error)}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A stream that lets bytes through and reports how many have passed. */
export function counter(report: (bytes: number) => void): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      report(bytes);
      done(null, chunk);
    },
  });
}
