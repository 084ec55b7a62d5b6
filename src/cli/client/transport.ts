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
  /** How many milliseconds without a byte mean that the server is gone. */
  silence?: number | undefined;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: IncomingMessage;
}

/** The server is unreachable, or the connection was lost. A retry may help. */
export class ConnectionError extends CliError {}

/**
 * One HTTP request. It uses Node's client rather than fetch because that applies back-pressure to uploads, sees an
 * answer that arrives before the upload has ended, and has no hidden time limit.
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
      // The server refused early: stop the upload.
      upload.abort();
      response.once('close', () => request.destroy());
    });
    request.on('error', (error) => reject(signal?.aborted ? error : connectionError(url, error)));
    if (silence !== undefined) {
      request.setTimeout(silence, () => request.destroy(new Error('the server stopped sending')));
    }
    if (body === undefined || typeof body === 'string') request.end(body);
    else feed(body, request, upload.signal, reject);
  });
}

/** Streams a body. Connection errors appear on the request; errors of the source are reported here. */
function feed(
  body: Readable,
  request: ReturnType<typeof httpRequest>,
  stop: AbortSignal,
  fail: (error: unknown) => void,
): void {
  body.once('error', (error) => {
    fail(new CliError(`Cannot read the input: ${messageOf(error)}`, { cause: error }));
    request.destroy();
  });
  stop.addEventListener('abort', () => {
    body.unpipe();
    body.destroy();
  });
  body.pipe(request);
}

const reasons: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'unknown host',
  EAI_AGAIN: 'the host name cannot be resolved right now',
  ECONNRESET: 'the connection was lost',
  EPIPE: 'the connection was lost',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'no route to host',
};

function connectionError(url: URL, error: NodeJS.ErrnoException): ConnectionError {
  const why = reasons[error.code ?? ''] ?? (error.message || error.code || 'unknown reason');
  return new ConnectionError(`Cannot reach the server at ${url.origin}: ${why}.`, {
    cause: error,
    hints:
      error.code === 'ECONNREFUSED'
        ? ['Is it running (penstock serve)? To use another server, set --url or PENSTOCK_URL.']
        : [],
  });
}

/** The whole body as text, for answers that are known to be short. */
export async function textOf(answer: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of answer.body) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new ConnectionError(`The server's answer is incomplete: ${messageOf(error)}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** A stream that passes bytes through and reports how many so far. */
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
