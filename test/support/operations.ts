import http from 'node:http';
import { SseParser } from '../../src/cli/client/sse.js';
import { basic, type Login, type TestServer } from './server.js';
import { waitFor } from './wait-for.js';

/** What tests read of an operation. */
interface ShownOperation {
  id: number;
  name: string;
  state: string;
  reason: string | null;
  active: boolean;
  service: string | null;
  counts: Record<'received' | 'redelivered' | 'published' | 'failed' | 'dead', number>;
  lag: { ready: number; unsettled: number } | null;
  [more: string]: unknown;
}

interface ShownMessage {
  id: string;
  content_type: string;
  headers: Record<string, string>;
  text?: string;
  base64?: string;
}

async function checked(answer: Response, status: number): Promise<Response> {
  if (answer.status !== status) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answer;
}

export async function makeStream(
  server: TestServer,
  name: string,
  more: object = {},
  as?: Login,
): Promise<string> {
  const json = { name, type: 'memory', ...more };
  await checked(await server.fetch('/api/stream/', { json, ...(as ? { as } : {}) }), 201);
  return name;
}

/** Makes an operation and gives its id. */
export async function makeOperation(server: TestServer, json: object, as?: Login): Promise<number> {
  const answer = await checked(await server.fetch('/api/operation/', { json, ...(as ? { as } : {}) }), 201);
  return Number(/(\d+)\/$/.exec(answer.headers.get('location') ?? '')?.[1]);
}

export async function operationOf(server: TestServer, id: number): Promise<ShownOperation> {
  return (await (await checked(await server.fetch(`/api/operation/${id}/`), 200)).json()) as ShownOperation;
}

/** Returns when the operation is as wanted. */
export function operationIs(
  server: TestServer,
  id: number,
  wanted: (operation: ShownOperation) => boolean,
  what: string,
  deadline?: number,
): Promise<ShownOperation> {
  let operation: ShownOperation | undefined;
  return waitFor(
    async () => {
      operation = await operationOf(server, id);
      return wanted(operation) ? operation : null;
    },
    what,
    deadline,
    () => operation,
  );
}

/** Puts one message on a stream. */
export async function put(
  server: TestServer,
  stream: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<void> {
  const init = { method: 'POST', body, headers: { 'Content-Type': 'text/plain', ...headers } };
  await checked(await server.fetch(`/api/stream/${stream}/messages/`, init), 201);
}

/** Puts one message for each line on a stream; their ids are `m-1`, `m-2` and so on. */
export async function putLines(server: TestServer, stream: string, lines: readonly string[]): Promise<void> {
  const body = lines.map((line) => `${line}\n`).join('');
  const headers = { 'Content-Type': 'text/plain', 'Message-Id': 'm' };
  const init = { method: 'POST', body, headers };
  await checked(await server.fetch(`/api/stream/${stream}/messages/?framing=line`, init), 201);
}

/** Reads what is published on a stream from now on, as it comes. */
export function followStream(
  server: TestServer,
  stream: string,
): Promise<{ received: ShownMessage[]; texts(): (string | undefined)[]; cut(): void }> {
  const parser = new SseParser();
  const received: ShownMessage[] = [];
  return new Promise((resolve, reject) => {
    const url = new URL(`/api/stream/${stream}/messages/?follow=1`, server.url);
    const request = http.get(
      url,
      { agent: false, headers: { Authorization: basic(server.admin) } },
      (response) => {
        if (response.statusCode !== 200) {
          reject(new Error(`${response.statusCode}`));
          request.destroy();
          return;
        }
        response.setEncoding('utf8');
        response.on('data', (piece: string) => {
          for (const { event, data } of parser.push(piece)) {
            if (event === 'message') received.push(JSON.parse(data) as ShownMessage);
          }
        });
        response.on('error', () => {});
        resolve({ received, texts: () => received.map(({ text }) => text), cut: () => request.destroy() });
      },
    );
    request.on('error', reject);
  });
}
