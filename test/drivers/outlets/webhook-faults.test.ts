import type { Socket } from 'node:net';
import { afterAll, afterEach, expect, test } from 'vitest';
import { webhookOutlet } from '../../../src/drivers/outlets/webhook.js';
import { type RawServer, rawServer } from '../../support/raw-server.js';
import { waitFor } from '../../support/wait-for.js';

const outlet = webhookOutlet({ timeout: 500, privateAddresses: true });
afterAll(() => outlet.close());
let server: RawServer | undefined;
afterEach(() => server?.close());

async function send(serve: (socket: Socket) => void) {
  server = await rawServer(serve);
  const message = { id: 'x', contentType: 'text/plain', body: 'x', secrets: [] };
  return outlet.send({ ...message, url: `http://127.0.0.1:${server.port}/` }, new AbortController().signal);
}
const head = 'HTTP/1.1 200 OK\r\n';

test.each<[string, string, RegExp]>([
  ['hangs up without a word', '', /socket hang up|ECONNRESET/],
  ['says what is not HTTP', '\x00\xff garbage\r\n\r\n', /Parse Error|Expected HTTP/],
  ['hangs up in the middle of the headers', `${head}Content-Le`, /socket hang up|ECONNRESET/],
  ['has very many headers', `${head}${'A: b\r\n'.repeat(20_000)}\r\n`, /Header overflow/i],
  ['has one very long header', `${head}A: ${'b'.repeat(100_000)}\r\n\r\n`, /Header overflow/i],
])('an answer that %s is no acceptance', async (_what, text, why) => {
  const answer = await send((socket) => socket.end(text));
  expect(answer).toMatchObject({ accepted: false, status: null, error: expect.stringMatching(why) });
});

test('an answer that ends in the middle of its body was accepted by its status', async () => {
  const answer = await send((socket) => socket.end(`${head}Content-Length: 100\r\n\r\nhalf`));
  expect(answer).toEqual({ accepted: true, status: 200, error: null });
});

test('a connection that is reset is no acceptance', async () => {
  const answer = await send((socket) => socket.resetAndDestroy());
  expect(answer).toMatchObject({ accepted: false, status: null });
});

test('headers that dribble in are waited for as long as for any answer, and the connection is given up', async () => {
  const answer = await send((socket) => {
    socket.write(head);
    const timer = setInterval(() => socket.write('A: b\r\n'), 20);
    socket.on('close', () => clearInterval(timer));
  });
  expect(answer.error).toMatch(/did not answer within 0.5 s/);
  await waitFor(() => server?.counts.now === 0, 'the connection to be given up');
});

test('an answer of 101 is none', async () => {
  const answer = await send((socket) =>
    socket.write('HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  );
  expect(answer).toMatchObject({ accepted: false, status: null });
  await waitFor(() => server?.counts.now === 0, 'the connection to be given up');
});
