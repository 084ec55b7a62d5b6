import http from 'node:http';
import { atPace } from './pace.js';
import { basic, type Login, type TestServer } from './server.js';

/** An answer as it came over the wire. */
export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string | string[]>;
  /** The body; a list is sent in pieces, chunked. */
  body?: string | Buffer | readonly (string | Buffer)[];
  json?: unknown;
  /** Whose login; null is none. */
  as?: Login | null;
  agent?: http.Agent;
  /** Milliseconds on a quiet machine. */
  deadline?: number;
  /** Take a stream of events for answered when it begins, and hang up: it may go on for ever. */
  hangUp?: boolean;
}

const nothing = { body: Buffer.alloc(0), text: '', json: undefined };

/**
 * One request with nothing added and nothing repaired: no redirects, no decoding, any method.
 * Fails when there is no whole answer by the deadline.
 */
export function ask(server: TestServer, path: string, options: Ask = {}): Promise<Answer> {
  const { as = server.admin, json } = options;
  const deadline = atPace(options.deadline ?? 20_000);
  const body = json === undefined ? options.body : JSON.stringify(json);
  const method = options.method ?? (body === undefined ? 'GET' : 'POST');
  const { hostname, port } = new URL(server.url);
  const headers: Record<string, string | string[] | number> = {
    ...(as === null ? {} : { Authorization: basic(as) }),
    ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...(typeof body === 'string' || Buffer.isBuffer(body)
      ? { 'Content-Length': Buffer.byteLength(body) }
      : {}),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const request = http.request(
      { hostname, port, path, method, headers, ...(options.agent ? { agent: options.agent } : {}) },
      (response) => {
        const live = response.headers['content-type'] === 'text/event-stream';
        if (live && options.hangUp) {
          clearTimeout(timer);
          request.destroy();
          resolve({ ...nothing, status: response.statusCode ?? 0, headers: response.headers });
          return;
        }
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          clearTimeout(timer);
          const whole = Buffer.concat(pieces);
          const text = whole.toString();
          const isJson = response.headers['content-type']?.startsWith('application/json') === true;
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            text,
            // Only when it is wanted: a node may answer with NaN, as Python does.
            get json() {
              return isJson && text !== '' ? JSON.parse(text) : undefined;
            },
          });
        });
      },
    );
    const timer = setTimeout(
      () => request.destroy(new Error(`no answer within ${deadline} ms: ${method} ${path}`)),
      deadline,
    );
    request.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    if (Array.isArray(body)) {
      for (const piece of body) request.write(piece);
      request.end();
    } else request.end(body as string | Buffer | undefined);
  });
}
