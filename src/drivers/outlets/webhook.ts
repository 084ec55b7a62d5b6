import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { messageOf } from '../../lib/errors.js';
import { type Address, type Flaw, findAddresses, hostOf, readUrl } from '../../lib/public-address.js';
import type { Answer, Message, Outlet } from './outlet.js';
import { signedHeaders } from './signature.js';

interface WebhookOptions {
  /** Milliseconds that an attempt may take: look-up, connection, and the answer's headers. */
  timeout: number;
  /** Whether private, loopback and link-local addresses may be called. */
  privateAddresses: boolean;
}

/** How much of an answer's body is read and dropped; a connection with more, or a slower one, is closed. */
const mostAnswerBytes = 8 * 1024;
const longestAnswer = 1000;
const flaws: Record<Flaw, string> = {
  malformed: 'this is not a URL',
  scheme: 'webhooks need http or https',
  credentials: 'a URL must not contain a name or password',
};

/** Errors after which another address of the same name may still answer. */
const unconnected = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL']);

/** The result of one request, and whether to try another connection or address. */
interface Tried {
  answer: Answer;
  stale: boolean;
  elsewhere: boolean;
}

const refused = (error: string): Answer => ({ accepted: false, status: null, error });

/**
 * Webhooks: each message is POSTed, signed after Standard Webhooks 1.0. A 2xx status means acceptance; a redirect does
 * not, since it would bypass the check. The address is looked up and checked at every attempt, and the connection goes
 * to that very address, even if a connection is reused.
 */
export function webhookOutlet(options: WebhookOptions): Outlet {
  const settings = { keepAlive: true, maxFreeSockets: 64, timeout: 60_000, scheduling: 'lifo' } as const;
  const agents = { 'http:': new http.Agent(settings), 'https:': new https.Agent(settings) };

  /** Sends one request, and repeats it once on a new connection if a kept one turns out to be closed. */
  async function post(url: URL, address: Address, message: Message, signal: AbortSignal): Promise<Tried> {
    const first = await request(url, address, message, signal);
    return first.stale ? request(url, address, message, signal) : first;
  }

  function request(
    url: URL,
    { address, family }: Address,
    message: Message,
    signal: AbortSignal,
  ): Promise<Tried> {
    const secure = url.protocol === 'https:';
    const body = Buffer.from(message.body);
    return new Promise((resolve) => {
      const sent = (secure ? https : http).request({
        // The agent keeps connections by address, so that a name never reuses a connection to its former address.
        host: address,
        family,
        port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
        path: `${url.pathname}${url.search}`,
        method: 'POST',
        agent: agents[secure ? 'https:' : 'http:'],
        signal,
        maxHeaderSize: 32 * 1024,
        headers: {
          Host: url.host,
          'User-Agent': 'penstock',
          'Content-Type': message.contentType,
          'Content-Length': body.length,
          ...signedHeaders(message.id, message.body, message.secrets, Math.floor(Date.now() / 1000)),
        },
      });
      sent.on('response', (response) => {
        drop(response);
        resolve({ answer: answerOf(response), stale: false, elsewhere: false });
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const wanted = !signal.aborted;
        resolve({
          answer: refused(`${url.host}: ${messageOf(error)}`),
          stale: wanted && sent.reusedSocket,
          elsewhere: wanted && unconnected.has(error.code ?? ''),
        });
      });
      sent.end(body);
    });
  }

  return {
    async send(message, signal) {
      const read = readUrl(message.url);
      if (read.url === undefined) return refused(flaws[read.flaw]);
      const { url } = read;
      const attempt = new AbortController();
      const giveUp = () => attempt.abort();
      signal.addEventListener('abort', giveUp, { once: true });
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<Answer>((resolve) => {
        const over = () => resolve(refused(`${url.host} did not answer within ${options.timeout / 1000} s`));
        timer = setTimeout(over, options.timeout);
        // The caller must be told at once, even during a name look-up.
        attempt.signal.addEventListener('abort', over, { once: true });
      });
      try {
        signal.throwIfAborted();
        const answer = await Promise.race([late, call(url, message, attempt.signal)]);
        // A request that was answered may keep its connection; any other ends here.
        if (answer.status === null) attempt.abort();
        signal.throwIfAborted();
        return answer;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
      }
    },

    async close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };

  async function call(url: URL, message: Message, signal: AbortSignal): Promise<Answer> {
    const host = hostOf(url);
    const addresses = await findAddresses(host, options.privateAddresses);
    if (addresses === 'unknown') return refused(`the host ${host} is unknown`);
    if (addresses === 'private') {
      return refused(
        `the host ${host} has no public address; private ones are allowed by WEBHOOK_PRIVATE_ADDRESSES in application.yaml`,
      );
    }
    let tried: Tried | undefined;
    for (const address of addresses) {
      tried = await post(url, address, message, signal);
      if (!tried.elsewhere) break;
    }
    return tried?.answer ?? refused(`the host ${host} is unknown`);
  }
}

/** Reads the rest if it is short and fast, so that the connection can be reused. */
function drop(response: IncomingMessage): void {
  let size = 0;
  const timer = setTimeout(() => response.destroy(), longestAnswer);
  response.on('data', (piece: Buffer) => {
    size += piece.length;
    if (size > mostAnswerBytes) response.destroy();
  });
  response.on('error', () => {});
  response.on('close', () => clearTimeout(timer));
}

function answerOf({ statusCode = 0, statusMessage = '', headers }: IncomingMessage): Answer {
  const accepted = statusCode >= 200 && statusCode < 300;
  if (accepted) return { accepted, status: statusCode, error: null };
  const redirect = statusCode >= 300 && statusCode < 400;
  const said = `answered ${statusCode} ${statusMessage.slice(0, 100)}`.trim();
  const wait = retryAfter(headers['retry-after']);
  return {
    accepted,
    status: statusCode,
    error: redirect ? `${said}; redirects are not followed` : said,
    ...(wait === undefined || (statusCode !== 429 && statusCode !== 503) ? {} : { retryAfter: wait }),
  };
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, 10.2.3); undefined if it cannot be parsed. */
function retryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}
