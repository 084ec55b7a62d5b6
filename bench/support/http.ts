import http from 'node:http';
import { pipeline } from 'node:stream/promises';

/** An answer. */
export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** A keep-alive client for one server. It is cheap, because it shares the processor with what it measures. */
export interface Client {
  send(method: string, path: string, body?: Buffer | string, type?: string): Promise<Answer>;
  /** Sends a body of any size without keeping it in memory. */
  upload(path: string, body: NodeJS.ReadableStream, length: number): Promise<Answer>;
  /** Reads an answer of any size without keeping it in memory. */
  download(path: string, each: (chunk: Buffer) => void): Promise<number>;
  json<T>(path: string): Promise<T>;
  close(): void;
}

export const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Makes a client with at most `connections` connections; without an `authorization` it sends none. */
export function httpClient(url: string, authorization: string | undefined, connections = 1): Client {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections, noDelay: true });

  function open(method: string, path: string, headers: http.OutgoingHttpHeaders) {
    const request = http.request(new URL(path, url), {
      agent,
      method,
      headers: { ...(authorization === undefined ? {} : { authorization }), ...headers },
    });
    const response = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject);
    });
    // The caller awaits it, but a body may fail before that.
    response.catch(() => undefined);
    return { request, response };
  }

  async function whole(response: http.IncomingMessage): Promise<Answer> {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
  }

  async function send(method: string, path: string, body?: Buffer | string, type = 'application/json') {
    const headers =
      body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    const { request, response } = open(method, path, headers);
    request.end(body);
    return whole(await response);
  }

  return {
    send,
    async upload(path, body, length) {
      const headers = { 'content-type': 'application/octet-stream', 'content-length': length };
      const { request, response } = open('POST', path, headers);
      await pipeline(body, request);
      return whole(await response);
    },
    async download(path, each) {
      const { request, response } = open('GET', path, {});
      request.end();
      const answer = await response;
      for await (const chunk of answer) each(chunk as Buffer);
      return answer.statusCode ?? 0;
    },
    async json<T>(path: string) {
      const answer = await send('GET', path);
      if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.body}`);
      return JSON.parse(answer.body.toString()) as T;
    },
    close: () => agent.destroy(),
  };
}
