import type { Readable } from 'node:stream';
import { parseWritten, stringifyWritten } from '../../domain/json/written-json.js';
import { CliError, serverError } from './failure.js';
import type { Settings } from './settings.js';
import { type Answer, send, textOf } from './transport.js';

/** An object of the API, as received. Each command checks the fields that it needs. */
export type Json = Record<string, unknown>;

export interface AskOptions {
  query?: Record<string, string | number | undefined> | undefined;
  headers?: Record<string, string> | undefined;
  json?: unknown;
  body?: Readable | string | undefined;
  signal?: AbortSignal | undefined;
  silence?: number | undefined;
}

/** The API of one server, as one user. */
export class Client {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** A full URL to show to the user. */
  address(path: string): string {
    return this.#url(path, undefined).href;
  }

  /** Sends one request. Throws unless the answer is 2xx. The caller must read the body of the answer. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
    const { authorization } = this.#settings;
    const body = options.json === undefined ? options.body : stringifyWritten(options.json);
    const answer = await send({
      method,
      url: this.#url(path, options.query),
      headers: {
        Accept: 'application/json',
        ...(authorization === undefined ? {} : { Authorization: authorization }),
        ...(options.json === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...options.headers,
      },
      body,
      signal: options.signal,
      silence: options.silence,
    });
    if (answer.status >= 200 && answer.status < 300) return answer;
    if (answer.status >= 300 && answer.status < 400) {
      answer.body.resume();
      throw new CliError(
        `The server redirects to ${answer.headers.location ?? 'an address that it did not name'}.`,
        {
          hints: ['Set --url or PENSTOCK_URL to the address of the server itself.'],
        },
      );
    }
    throw serverError(answer.status, answer.headers['retry-after'], await textOf(answer));
  }

  /** A request whose answer is an object. */
  async object(method: string, path: string, options: AskOptions = {}): Promise<Json> {
    const answer = await this.ask(method, path, options);
    return parse(await textOf(answer), path);
  }

  /** A request whose answer is discarded. */
  async act(method: string, path: string, options: AskOptions = {}): Promise<void> {
    (await this.ask(method, path, options)).body.resume();
  }

  /** Creates an object and reads it back if the answer to the POST has no body, only an address. */
  async create(path: string, json: unknown): Promise<Json> {
    const answer = await this.ask('POST', path, { json });
    const text = await textOf(answer);
    if (text.trim() !== '') return parse(text, path);
    const { location } = answer.headers;
    if (location === undefined) throw new CliError(`The server did not return what it created at ${path}`);
    return this.object('GET', this.pathOf(location));
  }

  /** The objects of a list without pages. */
  async whole(path: string): Promise<Json[]> {
    return objectsOf(await this.object('GET', path), path);
  }

  /** At most `limit` objects of a list, read page by page, and the total number. */
  async list(
    path: string,
    query: AskOptions['query'] = {},
    limit = Number.POSITIVE_INFINITY,
  ): Promise<{ objects: Json[]; total: number }> {
    const objects: Json[] = [];
    let page = await this.object('GET', path, { query: { limit: Math.min(limit, 1000), ...query } });
    for (;;) {
      objects.push(...objectsOf(page, path));
      const meta = (page.meta ?? {}) as { next?: unknown; total_count?: unknown };
      const total = typeof meta.total_count === 'number' ? meta.total_count : objects.length;
      if (typeof meta.next !== 'string' || objects.length >= limit) {
        return { objects: objects.slice(0, limit), total };
      }
      page = await this.object('GET', this.pathOf(meta.next));
    }
  }

  /** The path below our base of an address from the server, whose host name may be wrong behind a proxy. */
  pathOf(address: string): string {
    const { base } = this.#settings;
    const url = new URL(address, base);
    const path = url.pathname.startsWith(`${base.pathname}/api/`)
      ? url.pathname.slice(base.pathname.length)
      : url.pathname;
    return `${path}${url.search}`;
  }

  #url(path: string, query: AskOptions['query']): URL {
    const { base } = this.#settings;
    const url = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base);
    for (const [key, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.append(key, String(value));
    }
    return url;
  }
}

/** The object that an answer is, with its numbers as they were written. */
export function parse(text: string, path: string): Json {
  try {
    const value = parseWritten(text);
    if (typeof value === 'object' && value !== null) return value as Json;
  } catch {
    // Reported below, like JSON that is not an object.
  }
  throw new CliError(`The server did not answer with JSON at ${path}`, {
    hints: ['Is this a Penstock server? Check --url and PENSTOCK_URL.'],
  });
}

function objectsOf(page: Json, path: string): Json[] {
  if (Array.isArray(page.objects)) return page.objects as Json[];
  throw new CliError(`The server did not answer with a list at ${path}`);
}
