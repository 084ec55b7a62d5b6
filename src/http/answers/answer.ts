import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Request, RequestHandler, Response } from 'express';
import type { ErrorCode, Problem } from '../../lib/errors.js';
import type { Actor } from '../../usecases/actor.js';
import { formatJson } from './format-json.js';

/** What the doors know about a request beyond Express: its user and its id. */
export interface Known {
  actor: Actor;
  requestId: string;
  /** Whether a web page of another origin made the request. */
  crossSite: boolean;
  /** The shape of errors in the dialect of this request, if it is not our own. */
  problemShape?: (code: ErrorCode, detail: string, problems: readonly Problem[]) => unknown;
}

export const actorOf = (response: Response): Actor => (response.locals as Known).actor;

/** `http://host:port` as the client addressed it. */
export function originOf(request: Request): string {
  return `${request.protocol}://${request.get('host') ?? 'localhost'}`;
}

/** The query parameters in their order, decoded. */
export function queryPairs(request: Request): [string, string][] {
  const start = request.originalUrl.indexOf('?');
  if (start < 0) return [];
  return [...new URLSearchParams(request.originalUrl.slice(start + 1))];
}

/** The last value of a query parameter, or undefined. */
export function queryValue(request: Request, name: string): string | undefined {
  return queryPairs(request).findLast(([key]) => key === name)?.[1];
}

/** Aborted when the client disconnects before its answer. */
export function goneSignal(response: Response): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  return gone.signal;
}

/** The ETag of a representation. */
export const etagOf = (text: string): string => `"${createHash('sha1').update(text).digest('base64url')}"`;

/** Answers with JSON of the type `application/json` exactly, because older clients compare that string. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  sendJsonText(response, status, formatJson(value), headers);
}

export function sendJsonText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Vary: 'Accept',
    ...(response.req.method === 'GET' && status === 200 ? { 'Cache-Control': 'no-cache' } : {}),
    ...headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

/** How many milliseconds to keep reading a refused body, so that its sender gets to read the answer. */
const lingering = 2000;

/**
 * Answers a request whose body is still being sent. Closing the connection now would reset it, and the sender would
 * lose the answer. So this sends the whole answer, and closes when the body has ended, or after a while.
 */
export function sendJsonAndLinger(
  response: Response,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  const text = formatJson(value);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Vary: 'Accept',
    ...headers,
    Connection: 'close',
  });
  const { req: request } = response;
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, lingering);
  request.once('end', end);
  response.once('close', end);
  response.write(text);
  request.resume();
}

/** Answers with what there is to say of the object whose id stands in the path. Of a body nothing is read. */
export const sendOf =
  (
    give: (actor: Actor, id: string) => Promise<unknown>,
    headers: Record<string, string> = {},
  ): RequestHandler =>
  async (request, response) => {
    request.resume();
    sendJson(response, 200, await give(actorOf(response), String(request.params.id)), headers);
  };

/** Answers without a body, with the content type that the older registry sent. */
export function sendEmpty(response: Response, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, {
    ...(status === 204 ? {} : { 'Content-Type': 'text/html; charset=utf-8', 'Content-Length': '0' }),
    Vary: 'Accept',
    ...headers,
  });
  response.end();
}
