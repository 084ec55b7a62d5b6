import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { openWire, type Wire, type WireOptions } from '../../../../src/drivers/connectors/openstack/wire.js';
import { waitFor } from '../../../support/wait-for.js';

const ends: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const wire = (options: Partial<WireOptions> = {}): Wire => {
  const opened = openWire({
    connectTimeout: 2000,
    requestTimeout: 5000,
    retries: 2,
    ca: null,
    insecure: false,
    ...options,
  });
  ends.push(() => opened.close());
  return opened;
};

/** A server that answers each request by the next of the steps, the last one for good. */
async function serving(...steps: RequestListener[]): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  const server = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const step = steps.length > 1 ? steps.shift() : steps[0];
    request.resume();
    step?.(request, response);
  });
  return { url: await listen(server), seen };
}
async function listen(server: net.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    if (server instanceof http.Server) server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const answer =
  (status: number, body = '{"a":1}', headers: Record<string, string> = {}): RequestListener =>
  (_, response) => {
    response.writeHead(status, headers);
    response.end(body);
  };
const reset: RequestListener = (request) => request.socket.resetAndDestroy();
const silence: RequestListener = () => {};

describe('what is asked again', () => {
  test.each([
    ['a reset connection', reset],
    ['500', answer(500)],
    ['502', answer(502)],
    ['503', answer(503)],
    ['504', answer(504)],
    ['429', answer(429)],
    [
      'an answer that breaks off',
      ((_, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{');
        setImmediate(() => response.socket?.resetAndDestroy());
      }) as RequestListener,
    ],
  ])('%s, of a GET, a PUT and a DELETE', async (_, fault) => {
    await Promise.all(
      (['GET', 'PUT', 'DELETE'] as const).map(async (method) => {
        const { url, seen } = await serving(fault, fault, answer(200));
        expect(await wire().send({ method, url })).toMatchObject({ status: 200, body: { a: 1 } });
        expect(seen).toHaveLength(3);
      }),
    );
  });

  test('no more often than it may', async () => {
    const { url, seen } = await serving(answer(503));
    expect((await wire({ retries: 1 }).send({ method: 'GET', url })).status).toBe(503);
    expect(seen).toHaveLength(2);
    const broken = await serving(reset);
    await expect(wire({ retries: 0 }).send({ method: 'GET', url: broken.url })).rejects.toMatchObject({
      problem: 'unavailable',
    });
    expect(broken.seen).toHaveLength(1);
  });

  test('a POST is not, unless it says so, or it was told to come later', async () => {
    for (const fault of [reset, answer(503)]) {
      const { url, seen } = await serving(fault, answer(200));
      await wire()
        .send({ method: 'POST', url, body: {} })
        .catch(() => {});
      expect(seen).toHaveLength(1);
      const again = await serving(fault, answer(200));
      await wire().send({ method: 'POST', url: again.url, body: {}, repeatable: true });
      expect(again.seen).toHaveLength(2);
    }
    const { url, seen } = await serving(answer(429), answer(201));
    expect((await wire().send({ method: 'POST', url, body: {} })).status).toBe(201);
    expect(seen).toHaveLength(2);
  });

  test('a POST that nobody has heard of is', async () => {
    const idle = http.createServer();
    const url = await listen(idle);
    const { port } = idle.address() as AddressInfo;
    await new Promise((resolve) => idle.close(resolve));
    const asked = wire().send({ method: 'POST', url, body: {} });
    const server = http.createServer(answer(201));
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    ends.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    expect((await asked).status).toBe(201);
  });

  test('after as long as Retry-After says, in seconds or as a date', async () => {
    for (const later of [() => '1', () => new Date(Date.now() + 2000).toUTCString()]) {
      const { url } = await serving(
        (request, response) => answer(429, '', { 'retry-after': later() })(request, response),
        answer(200),
      );
      const began = Date.now();
      expect((await wire().send({ method: 'GET', url })).status).toBe(200);
      expect(Date.now() - began).toBeGreaterThanOrEqual(990);
    }
  });

  test('not where that would be too long', async () => {
    const { url, seen } = await serving(answer(503, '', { 'retry-after': '3600' }));
    expect((await wire().send({ method: 'GET', url })).status).toBe(503);
    expect(seen).toHaveLength(1);
  });

  test.each([200, 201, 204, 301, 400, 401, 403, 404, 409])('not %d, which is an answer', async (status) => {
    const { url, seen } = await serving(answer(status, ''));
    expect((await wire().send({ method: 'GET', url })).status).toBe(status);
    expect(seen).toHaveLength(1);
  });
});

describe('what fails', () => {
  const failing = (url: string, options: Partial<WireOptions> = {}) =>
    expect(
      wire({ retries: 0, ...options }).send({ method: 'GET', url, headers: { 'x-auth-token': 's3cret' } }),
    ).rejects;

  test('whoever never answers', async () => {
    const { url } = await serving(silence);
    await failing(url, { requestTimeout: 300 }).toMatchObject({
      problem: 'unavailable',
      message: `${url} did not answer within 0.3 s`,
    });
  });

  test('whoever never stops answering', async () => {
    const { url } = await serving((_, response) => {
      const timer = setInterval(() => response.write('x'), 50);
      response.on('close', () => clearInterval(timer));
    });
    await failing(url, { requestTimeout: 300 }).toMatchObject({
      message: expect.stringContaining('did not answer'),
    });
  });

  test('where nobody listens', async () => {
    const server = net.createServer();
    const url = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await failing(url).toMatchObject({
      problem: 'unavailable',
      message: expect.stringContaining('nothing listens'),
    });
  });

  test('what is no HTTP', async () => {
    const url = await listen(net.createServer((socket) => socket.resume().end('SSH-2.0-x\r\n')));
    await failing(url).toMatchObject({ problem: 'unavailable' });
  });

  test('what is under way when it is closed, at once', async () => {
    const { url, seen } = await serving(silence);
    const opened = wire();
    const asked = opened.send({ method: 'GET', url }).catch((error: unknown) => error);
    await waitFor(() => seen.length === 1, 'the request to arrive');
    await opened.close();
    expect(await asked).toMatchObject({ problem: 'unavailable' });
    expect(seen).toHaveLength(1);
  });

  test('a pause is cut short by a close', async () => {
    const { url, seen } = await serving(answer(503, '', { 'retry-after': '50' }));
    const opened = wire();
    const asked = opened.send({ method: 'GET', url }).catch((error: unknown) => error);
    await waitFor(() => seen.length === 1, 'the request to arrive');
    await opened.close();
    expect(await asked).toMatchObject({ problem: 'unavailable' });
  });
});

test('a redirect is not followed: a token stays where it belongs', async () => {
  const elsewhere = await serving(answer(200));
  const { url } = await serving(answer(302, '', { location: elsewhere.url }));
  expect((await wire().send({ method: 'GET', url })).status).toBe(302);
  expect(elsewhere.seen).toEqual([]);
});

test('certificates are checked, by the authority that is given, unless that is turned off', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-wire-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => path.join(folder, name)) as [
    string,
    string,
  ];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-nodes', ...kind, '-keyout', key, '-out', certificate, ...subject],
    { stdio: 'ignore' },
  );
  const ca = readFileSync(certificate, 'utf8');
  const server = https.createServer({ key: readFileSync(key), cert: ca }, answer(200));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await expect(wire().send({ method: 'GET', url })).rejects.toMatchObject({
    problem: 'refused',
    message: expect.stringContaining('OS_CACERT'),
  });
  expect((await wire({ ca }).send({ method: 'GET', url })).status).toBe(200);
  expect((await wire({ insecure: true }).send({ method: 'GET', url })).status).toBe(200);
  await expect(wire().send({ method: 'GET', url: url.replace('https', 'http') })).rejects.toMatchObject({
    problem: 'unavailable',
  });
});

test.each([
  ['as it is', (): [Record<string, string>, Buffer] => [{}, Buffer.alloc(2 ** 20, ' ')]],
  [
    'packed',
    (): [Record<string, string>, Buffer] => [{ 'content-encoding': 'gzip' }, gzipSync(Buffer.alloc(2 ** 28))],
  ],
])('an answer without end is not kept: %s', async (_how, piece) => {
  const [headers, chunk] = piece();
  const { url } = await serving((_, response) => {
    response.writeHead(200, headers);
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  });
  const asked = wire({ retries: 1, requestTimeout: 60_000 }).send({ method: 'GET', url });
  await expect(asked).rejects.toMatchObject({
    problem: 'unavailable',
    message: expect.stringContaining('larger than 67108864 bytes'),
  });
});
