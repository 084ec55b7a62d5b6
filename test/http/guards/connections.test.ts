import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { makeCertificate } from '../../support/certificate.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const most = 5;
/** So many more are told why they are closed. */
const told = 32;

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-connections-'));
const open: Held[] = [];
let server: TestServer | undefined;
afterEach(async () => {
  for (const one of open.splice(0)) one.close();
  await server?.remove();
});
afterAll(() => rmSync(folder, { recursive: true }));

const start = async (application: object) => {
  server = await startServer({ application: { MAX_CONNECTIONS_PER_ADDRESS: most, ...application } });
  return server;
};

interface Held {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** The connection was closed by the server. */
  over(): boolean;
  close(): void;
}

/** One request on a connection of its own, which is kept. */
function hold({ url }: TestServer, localAddress = '127.0.0.1'): Promise<Held> {
  const secure = url.startsWith('https:');
  const { hostname, port } = new URL(url);
  const options = { keepAlive: true, rejectUnauthorized: false };
  const agent = secure ? new https.Agent(options) : new http.Agent(options);
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).get(
      { hostname, port, path: '/healthz', agent, localAddress },
      async (response) => {
        let text = '';
        for await (const piece of response) text += String(piece);
        resolve(held);
        held.text = text;
        held.status = response.statusCode ?? 0;
        held.headers = response.headers;
      },
    );
    let over = false;
    const held: Held = { status: 0, headers: {}, text: '', over: () => over, close: () => agent.destroy() };
    open.push(held);
    request.on('socket', (socket: Socket) => {
      socket.on('close', () => {
        over = true;
      });
    });
    request.on('error', reject);
  });
}

const several = async (count: number, from: TestServer) => {
  for (let n = 0; n < count; n += 1) expect((await hold(from)).status).toBe(200);
};

test('one more than the bound is told so, and has a place when another has gone', async () => {
  const bounded = await start({});
  await several(most, bounded);
  const refused = await hold(bounded);
  expect(refused.status).toBe(429);
  expect(refused.headers).toMatchObject({ 'retry-after': '1', connection: 'close' });
  expect(JSON.parse(refused.text)).toMatchObject({
    type: '/api/docs/errors/#too-many-connections',
    detail: expect.stringContaining(`${most} connections`),
  });
  await waitFor(() => refused.over(), 'the end of the refused connection');
  // Others are not concerned.
  expect((await hold(bounded, '127.0.0.2')).status).toBe(200);
  open[0]?.close();
  await waitFor(async () => (await hold(bounded).catch(() => undefined))?.status === 200, 'a place');
});

test('a flood of connections that ask for nothing is closed, and leaves nothing behind', async () => {
  const bounded = await start({});
  await several(most, bounded);
  const { hostname, port } = new URL(bounded.url);
  const flood = Array.from({ length: 3 * told }, () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    return socket;
  });
  await waitFor(() => flood.every((socket) => socket.closed), 'the end of all of them');
  for (const one of open.splice(0)) one.close();
  await waitFor(async () => (await hold(bounded).catch(() => undefined))?.status === 200, 'a place');
});

test('it holds under TLS, too', async () => {
  const bounded = await start(makeCertificate(folder));
  await several(most, bounded);
  expect((await hold(bounded)).status).toBe(429);
  open[0]?.close();
  await waitFor(async () => (await hold(bounded).catch(() => undefined))?.status === 200, 'a place');
});

test('behind a proxy all connections come from one address: there is no bound', async () => {
  await several(3 * most, await start({ TRUST_PROXY: true }));
});
