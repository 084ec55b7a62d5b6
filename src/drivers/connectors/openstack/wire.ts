import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Agent, Response } from 'undici';
import { backoffDelay } from '../../../lib/backoff.js';
import { messageOf } from '../../../lib/errors.js';
import { ConnectorError } from '../connector.js';

export interface WireOptions {
  /** Milliseconds to connect in. */
  connectTimeout: number;
  /** Milliseconds that one attempt may take, to the last byte of its answer. */
  requestTimeout: number;
  /** How many times a repeatable request is retried. */
  retries: number;
  /** CA certificates in PEM that replace Node's own. */
  ca: string | null;
  /** True if certificates are not checked at all. */
  insecure: boolean;
}

export interface Ask {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: unknown;
  /** Whether the request may be repeated. By default GET, PUT and DELETE may. */
  repeatable?: boolean;
}

export interface Answer {
  status: number;
  headers: Response['headers'];
  /** Parsed JSON, or text if it is not JSON. */
  body: unknown;
}

/** HTTP requests that survive short failures of the other side. Any status counts as an answer. */
export interface Wire {
  send(ask: Ask): Promise<Answer>;
  /** Ends requests in progress. */
  close(): Promise<void>;
}

const pauses = { initial: 0.5, factor: 2, maximum: 15 };
/** Seconds: a service that asks us to wait longer counts as unavailable. */
const longestRetryAfter = 60;
/** The most bytes of an answer, decompressed: a larger one cannot be right, and must not fill our memory. */
const mostBytes = 64 * 2 ** 20;
const weak = new Set([500, 502, 503, 504]);
/** Errors from before the request was sent: nothing was carried out. */
const unsent = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

export function openWire(options: WireOptions): Wire {
  const { connectTimeout, requestTimeout, retries, ca, insecure } = options;
  let opened: Promise<{ fetch: typeof import('undici').fetch; agent: Agent }> | null = null;
  /** Loaded only if there is a cloud: it takes 20 MB of memory. */
  async function open() {
    const undici = await import('undici');
    const agent = new undici.Agent({
      connect: { timeout: connectTimeout, rejectUnauthorized: !insecure, ...(ca === null ? {} : { ca }) },
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4000,
    });
    return { fetch: undici.fetch, agent };
  }
  const closing = new AbortController();
  // One listener for each request in progress.
  setMaxListeners(0, closing.signal);

  async function once({ method, url, headers = {}, body }: Ask): Promise<Answer> {
    // By hand: in some versions of Node, AbortSignal.any leaks for as long as a long-lived source signal exists.
    const abort = new AbortController();
    const close = () => abort.abort();
    const timer = setTimeout(() => abort.abort(new DOMException('too slow', 'TimeoutError')), requestTimeout);
    closing.signal.addEventListener('abort', close, { once: true });
    try {
      closing.signal.throwIfAborted();
      opened ??= open();
      const { fetch, agent } = await opened;
      const response = await fetch(url, {
        method,
        // A token must not be sent to wherever an answer points.
        redirect: 'manual',
        dispatcher: agent,
        signal: abort.signal,
        headers: {
          accept: 'application/json',
          'user-agent': 'penstock',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, headers: response.headers, body: readBody(await textOf(response)) };
    } finally {
      clearTimeout(timer);
      closing.signal.removeEventListener('abort', close);
    }
  }

  return {
    async send(ask) {
      const repeatable = ask.repeatable ?? ['GET', 'PUT', 'DELETE'].includes(ask.method);
      for (let tries = 1; ; tries += 1) {
        const last = tries > retries;
        let pause = backoffDelay(pauses, tries, Math.random());
        try {
          const answer = await once(ask);
          // A request that is told to come later was not carried out, whatever it was.
          const again = answer.status === 429 || (repeatable && weak.has(answer.status));
          const told = retryAfter(answer);
          if (!again || last || told > longestRetryAfter * 1000) return answer;
          pause = Math.max(pause, told);
        } catch (error) {
          const { code, failure } = failureOf(error, ask.url, options, closing.signal.aborted);
          const again = failure.problem === 'unavailable' && (repeatable || unsent.has(code));
          if (!again || last || closing.signal.aborted) throw failure;
        }
        // If `close` cuts a pause short, the next attempt fails at once.
        await delay(pause, undefined, { signal: closing.signal }).catch(() => {});
      }
    },
    async close() {
      closing.abort();
      await (await opened)?.agent.destroy();
    },
  };
}

/** The text of an answer. Throws for one that is too large. */
async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length;
    if (size > mostBytes) throw new Error(`its answer is larger than ${mostBytes} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}

function readBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Milliseconds that an answer asks us to wait, given as seconds or a date. */
function retryAfter({ headers }: Answer): number {
  const value = headers.get('retry-after') ?? '';
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}

const certificate = /CERT|SIGNATURE|ALTNAME|ERR_TLS|ERR_SSL/;

/** Why a request got no answer, in words. */
function failureOf(
  error: unknown,
  url: string,
  { connectTimeout, requestTimeout }: WireOptions,
  closed: boolean,
): { code: string; failure: ConnectorError } {
  const { origin, host } = new URL(url);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code = '', name = '' } = cause as { code?: string; name?: string };
  const fail = (detail: string, problem: 'unavailable' | 'refused' = 'unavailable') => ({
    code,
    failure: new ConnectorError(problem, `${origin} ${detail}`, { cause: error }),
  });
  if (closed) return fail('has not answered yet: we closed the connection');
  if (name === 'TimeoutError') return fail(`did not answer within ${requestTimeout / 1000} s`);
  if (code === 'UND_ERR_CONNECT_TIMEOUT')
    return fail(`did not accept a connection within ${connectTimeout / 1000} s`);
  if (code === 'ECONNREFUSED') return fail('refuses connections: nothing listens there');
  if (code === 'ENOTFOUND') return fail(`cannot be found: unknown host name ${host}`);
  if (code === 'EPROTO' || certificate.test(code)) {
    const hint = code === 'EPROTO' ? 'is it https?' : 'set OS_CACERT to the file of the CA that signed it';
    return fail(`cannot be trusted: ${messageOf(cause)} (${hint})`, 'refused');
  }
  return fail(`did not answer: ${messageOf(cause)}`);
}
