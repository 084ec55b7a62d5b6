import { lookup } from 'node:dns/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { BlockList, isIP } from 'node:net';
import { messageOf, PenstockError } from '../errors.js';

/** Addresses that are not the public internet (IANA's special-purpose registries). */
const notPublic = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv6');
}

/** True for an address of the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !notPublic.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

const mostRedirects = 5;
const silence = 30_000;

function refused(detail: string): PenstockError {
  return new PenstockError('invalid-input-url', detail, {
    problems: [{ pointer: '/input/url', detail }],
  });
}

function checkedUrl(text: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw refused(`${JSON.stringify(text.slice(0, 200))} is not a URL.`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw refused(`Inputs are fetched over http or https, not ${url.protocol.slice(0, -1)}.`);
  }
  if (url.username !== '' || url.password !== '') {
    throw refused('A URL with a name or password in it is not taken: it would end up in logs.');
  }
  return url;
}

/** The one address that will be connected to: checked here, and used as it is, whatever the name says later. */
async function addressOf(url: URL, allowPrivate: boolean): Promise<{ address: string; family: number }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let found: { address: string; family: number }[];
  try {
    found = await lookup(host, { all: true });
  } catch {
    throw refused(`The host ${host} is not known.`);
  }
  const usable = found.find(({ address }) => allowPrivate || isPublicAddress(address));
  if (usable === undefined) {
    throw refused(
      `The host ${host} has no public address. Private ones are allowed by INPUT_URL_PRIVATE_ADDRESSES in application.yaml.`,
    );
  }
  return usable;
}

function get(
  url: URL,
  pinned: { address: string; family: number },
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).get(
      url,
      {
        agent: false,
        signal,
        timeout: silence,
        headers: { 'User-Agent': 'penstock', Accept: '*/*', 'Accept-Encoding': 'identity' },
        lookup: (_host, options, callback) => {
          if (options.all) callback(null, [pinned]);
          else callback(null, pinned.address, pinned.family);
        },
      },
      resolve,
    );
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${silence / 1000} s`)));
    request.on('error', reject);
  });
}

/** What another server sends; if it breaks off, that is its failure and not ours. */
async function* bytesOf(answer: IncomingMessage, host: string): AsyncGenerator<Buffer> {
  const pieces = answer[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await pieces.next().catch((error: unknown) => {
        throw new PenstockError('input-source-failed', `${host} broke off: ${messageOf(error)}.`);
      });
      if (next.done) return;
      yield next.value as Buffer;
    }
  } finally {
    answer.destroy();
  }
}

/**
 * Fetches an input from a URL: http(s) only, public addresses only unless allowed, each redirect checked like the
 * first address. Throws `invalid-input-url` for what is refused and `input-source-failed` for what went wrong there.
 *
 * @returns the bytes as a stream, and the file name that the URL suggests
 */
export async function fetchInput(
  text: string,
  options: { allowPrivate: boolean; signal: AbortSignal },
): Promise<{ stream: AsyncIterable<Buffer>; name: string | undefined }> {
  let url = checkedUrl(text);
  for (let redirects = 0; ; redirects += 1) {
    const pinned = await addressOf(url, options.allowPrivate);
    let answer: IncomingMessage;
    try {
      answer = await get(url, pinned, options.signal);
    } catch (error) {
      throw new PenstockError('input-source-failed', `${url.host} did not answer: ${messageOf(error)}.`);
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
    const last = url.pathname.split('/').at(-1) ?? '';
    let name: string | undefined;
    try {
      name = last === '' ? undefined : decodeURIComponent(last);
    } catch {
      name = undefined;
    }
    return { stream: bytesOf(answer, url.host), name };
  }
}
