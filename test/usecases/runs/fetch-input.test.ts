import http, { type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { PenstockError } from '../../../src/lib/errors.js';
import { fetchInput } from '../../../src/usecases/runs/fetch-input.js';
import { rawServer } from '../../support/raw-server.js';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((close) => close()));
});

/** A real web server, and what it was asked for. */
async function web(answer: RequestListener): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(`${request.headers.host} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return { port: (server.address() as AddressInfo).port, asked };
}
/** A server that answers with these bytes and hangs up. */
async function raw(text: string): Promise<number> {
  const { port, close } = await rawServer((socket) => socket.end(text));
  open.push(close);
  return port;
}

const fetching = (url: string, privateAddresses = true, timeout = 60_000) =>
  fetchInput(url, {
    privateAddresses,
    timeout,
    signal: new AbortController().signal,
    limit: 2 ** 20,
  });
async function textOf(url: string, timeout?: number): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of (await fetching(url, true, timeout)).stream) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
/** The code of the error, and what it says. */
const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'nothing went wrong',
    (error: PenstockError) => `${error.code}: ${error.message}`,
  );

describe('redirects', () => {
  test('are followed from one server to another, by name and by number, each asked by its own name', async () => {
    const last = await web((_request, response) => response.end('the input'));
    const first = await web((_request, response) => {
      response.writeHead(307, { Location: `http://localhost:${last.port}/in%20put?x=1#y` }).end();
    });
    const { name } = await fetching(`http://127.0.0.1:${first.port}/a/b`);
    expect(name).toBe('in put');
    expect(await textOf(`http://127.0.0.1:${first.port}/a/b`)).toBe('the input');
    expect(first.asked[0]).toBe(`127.0.0.1:${first.port} /a/b`);
    expect(last.asked[0]).toBe(`localhost:${last.port} /in%20put?x=1`);
  });

  test('to what is no place for an input are refused', async () => {
    const { port } = await web(({ url = '' }, response) => {
      response.writeHead(302, { Location: decodeURIComponent(url.slice(1)) }).end();
    });
    const to = (place: string) => failure(fetching(`http://127.0.0.1:${port}/${encodeURIComponent(place)}`));
    expect(await to('file:///etc/passwd')).toMatch(/^invalid-input-url: .*over http or https, not file/);
    expect(await to('http://ada:secret@127.0.0.1/')).toMatch(/^invalid-input-url: .*name or password/);
    expect(await to('http://[')).toMatch(/^invalid-input-url: .*is not a URL/);
    expect(await to('http://nowhere.invalid/')).toMatch(/^invalid-input-url: .*nowhere\.invalid is unknown/);
  });

  test('end: the sixth is not followed', async () => {
    const { port, asked } = await web((_request, response) => {
      response.writeHead(302, { Location: '/again' }).end();
    });
    expect(await failure(fetching(`http://127.0.0.1:${port}/`))).toMatch(/^invalid-input-url: More than 5/);
    expect(asked).toHaveLength(6);
  });
});

describe('private addresses', () => {
  test.each([
    '127.0.0.1',
    'localhost',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '2130706433',
    '0x7f.1',
    '127.1',
  ])('%s is refused before anything is sent', async (host) => {
    const { port, asked } = await web((_request, response) => response.end('secret'));
    expect(await failure(fetching(`http://${host}:${port}/`, false))).toMatch(
      /^invalid-input-url: .*(no public address|is unknown)/,
    );
    expect(asked).toEqual([]);
  });
});

describe('a server that fails', () => {
  test.each([
    ['what is not HTTP', 'SSH-2.0-x\r\n', /did not answer/],
    ['nothing', '', /did not answer/],
    ['half of the headers', 'HTTP/1.1 200 OK\r\nContent-Le', /did not answer/],
    ['101, for which nobody asked', 'HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', /closed/],
    ['very many headers', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(20_000)}\r\n`, /Header overflow/i],
    ['a redirect to nowhere', 'HTTP/1.1 302 Found\r\n\r\n', /answered 302/],
  ])('by answering %s is told of', async (_what, text, why) => {
    const message = await failure(fetching(`http://127.0.0.1:${await raw(text)}/`));
    expect(message).toMatch(/^input-source-failed: /);
    expect(message).toMatch(why);
  });

  test('in the middle of the body is told of, and what it said before is not all', async () => {
    const port = await raw('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe beginning');
    expect(await failure(textOf(`http://127.0.0.1:${port}/x`))).toMatch(/^input-source-failed: .*broke off/);
  });

  test('by never coming to an end is told of after a while, though something comes all the time', async () => {
    const { port } = await web((request, response) => {
      const timer = setInterval(() => response.write('more'), 20);
      request.on('close', () => clearInterval(timer));
    });
    expect(await failure(textOf(`http://127.0.0.1:${port}/x`, 500))).toMatch(
      /^input-source-failed: 127\.0\.0\.1:\d+ has not sent all of it within 0\.5 s \(INPUT_URL_TIMEOUT\)\.$/,
    );
  });

  test('by redirecting slowly is told of, too', async () => {
    const { port } = await web((_request, response) => {
      setTimeout(() => response.writeHead(302, { Location: '/again' }).end(), 300);
    });
    expect(await failure(fetching(`http://127.0.0.1:${port}/x`, true, 500))).toMatch(/within 0\.5 s/);
  });
});
