import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { type Address, type Flaw, findAddresses, hostOf, pinned, readUrl } from '../../lib/public-address.js';
import { decoded } from './content-coding.js';

const mostRedirects = 5;
const silence = 30_000;

function refused(detail: string): PenstockError {
  return new PenstockError('invalid-input-url', detail, {
    problems: [{ pointer: '/input/url', detail }],
  });
}

function checkedUrl(text: string, base?: URL): URL {
  const checked = readUrl(text, base);
  if (checked.url !== undefined) return checked.url;
  const why: Record<Flaw, string> = {
    malformed: `${JSON.stringify(text.slice(0, 200))} is not a URL.`,
    scheme: `Inputs are fetched over http or https, not ${checked.scheme}.`,
    credentials: 'A URL must not contain a name or password: it would end up in logs.',
  };
  throw refused(why[checked.flaw]);
}

async function addressesOf(url: URL, allowPrivate: boolean): Promise<[Address, ...Address[]]> {
  const host = hostOf(url);
  const found = await findAddresses(host, allowPrivate);
  if (found === 'unknown') throw refused(`The host ${host} is unknown.`);
  if (found === 'private') {
    throw refused(
      `The host ${host} has no public address. Private ones are allowed by INPUT_URL_PRIVATE_ADDRESSES in application.yaml.`,
    );
  }
  return found;
}

/** The answer, once its headers are there. They must arrive within the longest silence allowed. */
function get(
  url: URL,
  addresses: readonly [Address, ...Address[]],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).get(url, {
      agent: false,
      signal,
      timeout: silence,
      headers: { 'User-Agent': 'penstock', Accept: '*/*', 'Accept-Encoding': 'identity' },
      lookup: pinned(addresses),
    });
    const giveUp = () => request.destroy(new Error(`it sent nothing for ${silence / 1000} s`));
    const timer = setTimeout(giveUp, silence);
    request.on('response', (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    request.on('timeout', giveUp);
    request.on('error', reject);
    request.on('close', () => {
      clearTimeout(timer);
      // An unexpected answer, such as 101, ends without an error.
      reject(new Error('the connection was closed'));
    });
  });
}

/**
 * What another server sends; if the connection breaks, that is its failure and not ours.
 *
 * @param failure makes the error to throw from what the server did and what was thrown
 */
async function* bytesOf(
  answer: IncomingMessage,
  failure: (what: string, error: unknown) => PenstockError,
): AsyncGenerator<Buffer> {
  const pieces = answer[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await pieces.next().catch((error: unknown) => {
        throw failure('broke off', error);
      });
      if (next.done) return;
      yield next.value as Buffer;
    }
  } finally {
    answer.destroy();
  }
}

/**
 * Fetches an input from a URL: http(s) only, public addresses only unless allowed, each redirect is checked like the
 * first address. Content encodings are decoded. Throws `invalid-input-url` for a URL that is refused and
 * `input-source-failed` if the other server fails.
 *
 * @param options `timeout`: in milliseconds, for everything, including redirects and the body; `limit`: how many bytes
 *   there may be between two encodings; the reader of the stream must limit the rest
 * @returns the bytes as a stream, and the file name that the URL suggests, if it suggests one
 */
export async function fetchInput(
  text: string,
  options: { privateAddresses: boolean; signal: AbortSignal; timeout: number; limit: number },
): Promise<{ stream: AsyncIterable<Buffer>; name: string | undefined }> {
  const deadline = AbortSignal.timeout(options.timeout);
  const signal = AbortSignal.any([options.signal, deadline]);
  const failure = (what: string, error: unknown) => {
    const late = `has not sent all of it within ${options.timeout / 1000} s (INPUT_URL_TIMEOUT)`;
    return new PenstockError(
      'input-source-failed',
      `${url.host} ${deadline.aborted ? late : `${what}: ${messageOf(error)}`}.`,
    );
  };
  let url = checkedUrl(text);
  for (let redirects = 0; ; redirects += 1) {
    const addresses = await addressesOf(url, options.privateAddresses);
    let answer: IncomingMessage;
    try {
      answer = await get(url, addresses, signal);
    } catch (error) {
      throw failure('did not answer', error);
    }
    const status = answer.statusCode ?? 0;
    if (status >= 300 && status < 400 && answer.headers.location !== undefined) {
      answer.destroy();
      if (redirects === mostRedirects) throw refused(`More than ${mostRedirects} redirects.`);
      url = checkedUrl(answer.headers.location, url);
      continue;
    }
    if (status !== 200) {
      answer.destroy();
      throw new PenstockError(
        'input-source-failed',
        `${url.host} answered ${status} ${answer.statusMessage ?? ''}.`,
      );
    }
    try {
      const sent = bytesOf(answer, failure);
      const coding = answer.headers['content-encoding'];
      return { stream: decoded(sent, coding, url.host, options.limit), name: nameIn(url) };
    } catch (error) {
      answer.destroy();
      throw error;
    }
  }
}

/**
 * The file name at the end of a URL, or none if it cannot be a file name: nobody chose it. In object stores a whole
 * path may be one part, with its slashes encoded.
 */
function nameIn(url: URL): string | undefined {
  let last: string;
  try {
    last = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
  } catch {
    return undefined;
  }
  const name = last.split(/[/\\]/).at(-1) ?? '';
  return fileNameProblem(name) === undefined ? name : undefined;
}
