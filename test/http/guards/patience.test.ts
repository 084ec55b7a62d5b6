import { readdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../../support/raw.js';
import { basic, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

/** Seconds, any fraction of them. All tests wait side by side. */
const bounds = { HEADERS_TIMEOUT: 2.0011, SILENCE_TIMEOUT: 2, BODY_TIMEOUT: 5 };
/** Milliseconds between two pieces: many of them make no silence, also where one comes late. */
const beat = 100;

let server: TestServer;
let definition: number;
let sleeper: number;
beforeAll(async () => {
  server = await startServer({ application: bounds });
  definition = await server.register({
    exec: '/usr/bin/wc',
    argv: ['-c'],
    input_adapter: {
      input_type: 'file',
      input_parameters: { file_type: 'stream', stream_name: 'STDIN' },
    },
    output_adapter: {
      output_type: 'file',
      output_parameters: { file_type: 'stream', stream_name: 'STDOUT' },
    },
  });
  sleeper = await server.register({ exec: '/bin/sleep', argv: [String(2.5 * bounds.SILENCE_TIMEOUT)] });
});
afterAll(() => server.remove());

/** A connection that is written to by hand, and what came back on it. */
function connect() {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect(Number(port), hostname);
  let text = '';
  let over = false;
  const began = performance.now();
  let lasted = 0;
  socket.setEncoding('utf8');
  socket.on('data', (piece: string) => {
    text += piece;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    over = true;
    lasted = (performance.now() - began) / 1000;
  });
  let timer: NodeJS.Timeout | undefined;
  socket.on('close', () => clearInterval(timer));
  return {
    socket,
    text: () => text,
    over: () => over,
    /** Seconds that the connection was there. */
    lasted: () => lasted,
    /** Sends something again and again. */
    trickle(piece: string) {
      timer = setInterval(() => socket.write(piece), beat);
    },
    rest: () => clearInterval(timer),
    closed: () => waitFor(() => over, 'the end of the connection'),
    answered: (status: number) => waitFor(() => text.startsWith(`HTTP/1.1 ${status}`), `a ${status}`),
  };
}

const head = (method: string, target: string, more: string[]) =>
  [
    `${method} ${target} HTTP/1.1`,
    'Host: localhost',
    `Authorization: ${basic(server.admin)}`,
    ...more,
    '',
    '',
  ].join('\r\n');
const json = 'Content-Type: application/json';

describe.concurrent('a client that never comes to the end of its headers', () => {
  test('because it says nothing', async () => {
    const client = connect();
    await client.closed();
    expect(client.lasted()).toBeGreaterThan(bounds.HEADERS_TIMEOUT * 0.9);
  });

  test('because there is always one more', async () => {
    const client = connect();
    client.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n');
    client.trickle('X-More: and more\r\n');
    await client.closed();
    expect(client.text()).toMatch(/^HTTP\/1\.1 408 .*The headers of the request arrived too slowly\./s);
  });
});

describe.concurrent('a body that does not come', () => {
  test.each([
    ['a definition', 'POST', '/api/process_definition/', json],
    ['a list', 'PATCH', '/api/process_definition/', json],
    ['the input of a run', 'POST', '/api/process_definition/1/run/', 'Content-Type: text/plain'],
    ['the document of a run', 'POST', '/api/process_definition/1/run/', json],
    [
      'a part of a run',
      'POST',
      '/api/process_definition/1/run/',
      'Content-Type: multipart/form-data; boundary=x',
    ],
    ['an event', 'POST', '/actors/v2/pipelinejobs-manager/messages', json],
    ['a script of the node', 'PUT', '/v0.6/pnsconf', json],
  ])('%s: 408 after the silence', async (_what, method, target, type) => {
    const client = connect();
    client.socket.write(head(method, target, [type, 'Content-Length: 1000']));
    client.socket.write(
      '--x\r\nContent-Disposition: form-data; name="input_file"; filename="a"\r\n\r\nbegun',
    );
    await client.closed();
    expect(client.text()).toMatch(/^HTTP\/1\.1 408/);
  });

  test('what is said of it', async () => {
    const client = connect();
    client.socket.write(head('POST', '/api/process_definition/', [json, 'Content-Length: 1000']));
    client.socket.write('{');
    await client.closed();
    expect(client.text()).toContain('#too-slow');
    expect(client.text()).toContain(`no bytes for ${bounds.SILENCE_TIMEOUT} s`);
  });

  test('a whole body that comes without a pause, but too slowly', async () => {
    const client = connect();
    client.socket.write(head('POST', '/api/process_definition/', [json, 'Content-Length: 100000']));
    client.trickle(' ');
    await client.answered(408);
    client.rest();
    expect(client.text()).toContain(`it was incomplete after ${bounds.BODY_TIMEOUT} s`);
    await client.closed();
  });

  test('one that nobody reads: the answer comes at once, and the connection ends', async () => {
    const job = (await ask(server, `/api/process_definition/${definition}/run/?wait=60`, { body: 'x' })).json;
    const client = connect();
    client.socket.write(head('POST', `/api/job/${job.uuid}/cancel/`, ['Content-Length: 1000']));
    await client.answered(409);
    await client.closed();
  });
});

describe.concurrent('what may take its time', () => {
  test('an upload that goes on', async () => {
    const pieces = Math.ceil((bounds.BODY_TIMEOUT * 1000) / beat) + 4;
    const client = connect();
    client.socket.write(
      head('POST', `/api/process_definition/${definition}/run/?wait=60&output=raw`, [
        'Content-Type: text/plain',
        `Content-Length: ${pieces}`,
      ]),
    );
    let sent = 0;
    const timer = setInterval(() => {
      client.socket.write('x');
      sent += 1;
      if (sent === pieces) clearInterval(timer);
    }, beat);
    await client.answered(200);
    expect(client.text().trimEnd().endsWith(String(pieces))).toBe(true);
    client.socket.destroy();
  });

  test('a job that is waited for', async () => {
    const answer = await ask(server, `/api/process_definition/${sleeper}/run/?wait=600`, {
      method: 'POST',
      deadline: 60_000,
    });
    expect(answer.json.state).toBe('FINISHED');
  });

  test('a connection that is kept for the next request', async () => {
    const client = connect();
    client.socket.write(head('GET', '/healthz', []));
    await client.answered(200);
    const seen = client.text().length;
    const later = performance.now() + 2.5 * bounds.SILENCE_TIMEOUT * 1000;
    await waitFor(() => performance.now() > later, 'some time');
    expect(client.over()).toBe(false);
    client.socket.write(head('GET', '/healthz', []));
    await waitFor(() => client.text().length > seen, 'the second answer');
    client.socket.destroy();
  });
});

test('of what did not come nothing is left', async () => {
  const { objects } = (await ask(server, '/api/job/?limit=0')).json;
  expect(objects.map(({ state }: { state: string }) => state)).toEqual(['FINISHED', 'FINISHED', 'FINISHED']);
  const files = readdirSync(path.join(server.data, 'jobs'), { recursive: true, encoding: 'utf8' });
  // One has had no input.
  expect(files.filter((name) => name.endsWith('/input'))).toHaveLength(2);
});
