import { appendFileSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startNode, type TestNode } from '../../support/node.js';
import { ask } from '../../support/raw.js';
import { basic, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

/** The length that an answer says is that of its body, on connections that go on after it. */
let node: TestNode;
let server: TestServer;
beforeAll(async () => {
  node = await startNode();
  server = node.server;
});
afterAll(() => server.remove());

const large = 8 * 1024 * 1024;

function open(): Socket {
  const { hostname, port } = new URL(server.url);
  return connect(Number(port), hostname);
}
const head = (method: string, target: string, headers: Record<string, string> = {}) =>
  `${method} ${target} HTTP/1.1\r\nHost: ${new URL(server.url).host}\r\nAuthorization: ${basic(server.admin)}\r\n${Object.entries(
    headers,
  )
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

/** All that comes back for requests that are sent in one go on one connection, whose last one closes it. */
function talk(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = open();
    let all = '';
    socket.setTimeout(20_000, () =>
      socket.destroy(new Error(`nothing more after ${JSON.stringify(all.slice(0, 300))}`)),
    );
    socket.on('data', (piece) => {
      all += piece.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(all));
    socket.write(text);
  });
}

/** The heads of two answers, of which the first has no body: null where something stands between them. */
async function twoHeads(first: string): Promise<[string, string] | null> {
  const all = await talk(first + head('GET', '/healthz', { Connection: 'close' }));
  const end = all.indexOf('\r\n\r\n') + 4;
  const [second = ''] = all.slice(end).split('\r\n\r\n');
  return second.startsWith('HTTP/1.1 200 OK\r\n') ? [all.slice(0, end), second] : null;
}
const lengthOf = (text: string) => /^content-length: (\d+)\r$/im.exec(text)?.[1];

async function job(script: string): Promise<string> {
  const id = await server.register({ exec: '/bin/sh', argv: ['-c', script] });
  const { json } = await ask(server, `/api/process_definition/${id}/run/?wait=60`, { method: 'POST' });
  expect(json.state).toBe('FINISHED');
  return json.uuid as string;
}

describe('an answer without a body is followed by the next one at once', () => {
  test('HEAD of everything that can be read, with the length that GET says', async () => {
    const uuid = await job(`echo short; head -c 200000 /dev/zero | tr '\\0' x >&2`);
    await ask(server, '/api/stream/s/', { method: 'PUT', json: {} });
    const { paths } = (await ask(server, '/api/openapi.json')).json as { paths: Record<string, object> };
    const wrong: string[] = [];
    const targets = Object.entries(paths)
      .filter(([, item]) => 'get' in item)
      .map(([template]) =>
        template
          .replace('{uuid}', uuid)
          .replace('{actor}', 'pipelinejobs-manager')
          .replace('{name}', 's')
          .replace(/\{\w+\}/, '1'),
      );
    targets.push(
      `/api/job/${uuid}/stdout/?follow=1`,
      '/api/job/?follow=1',
      '/api/stream/s/messages/?follow=1',
    );
    expect(targets.length).toBeGreaterThan(60);
    for (const target of targets) {
      const answers = await twoHeads(head('HEAD', target));
      if (answers === null) {
        wrong.push(`${target}: something follows the head`);
        continue;
      }
      if (target.includes('follow=')) continue;
      const told = lengthOf(answers[0]);
      const got = await ask(server, target);
      const varies = /metrics|healthz|v0\.6/.test(target);
      if (told !== undefined && !varies && Number(told) !== got.body.length) {
        wrong.push(`${target}: HEAD says ${told}, GET has ${got.body.length}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('ranges, conditions and errors of HEAD; 304 and 204', async () => {
    const uuid = await job('head -c 200000 /dev/zero');
    const output = `/api/job/${uuid}/output/`;
    const { headers } = await ask(server, output);
    const detail = await ask(server, `/api/job/${uuid}/`);
    const id = await server.register({ exec: '/bin/true' });
    for (const [method, target, more, status, length] of [
      ['HEAD', output, { Range: 'bytes=5-104' }, 206, '100'],
      ['HEAD', output, { Range: 'bytes=-7' }, 206, '7'],
      ['HEAD', output, { Range: 'bytes=999999-' }, 416, undefined],
      ['HEAD', output, { 'If-Modified-Since': headers['last-modified'] ?? '' }, 304, undefined],
      ['GET', output, { 'If-Modified-Since': headers['last-modified'] ?? '' }, 304, undefined],
      ['GET', `/api/job/${uuid}/`, { 'If-None-Match': detail.headers.etag ?? '' }, 304, undefined],
      ['HEAD', '/api/job/00000000-0000-0000-0000-000000000000/output/', {}, 404, undefined],
      ['HEAD', '/nowhere', {}, 404, undefined],
      ['HEAD', '/v0.6/nonsense', {}, 400, undefined],
      ['HEAD', '/api/process_definition/1/run/', {}, 405, undefined],
      ['DELETE', `/api/process_definition/${id}/`, {}, 204, undefined],
    ] as const) {
      const answers = await twoHeads(head(method, target, more));
      expect([method, target, more, answers?.[0].slice(9, 12)]).toEqual([
        method,
        target,
        more,
        String(status),
      ]);
      if (length !== undefined) expect([target, lengthOf(answers?.[0] ?? '')]).toEqual([target, length]);
    }
  });

  test("HEAD of a large answer of the node says no length that is not GET's", async () => {
    node.script('init', `head -c ${large} /dev/zero | tr '\\0' y`);
    const text = `#!/bin/sh\n# ${'z'.repeat(900_000)}`;
    node.script('config', text);
    const answers = await twoHeads(head('HEAD', '/v0.6/config'));
    const got = await ask(server, '/v0.6/config');
    expect(got.body.length).toBeGreaterThan(900_000);
    const told = lengthOf(answers?.[0] ?? 'none');
    expect(told === undefined || Number(told) === got.body.length).toBe(true);
    expect(answers).not.toBeNull();
  });
});

/** The largest file of a job's folder. */
function largestOf(uuid: string): string {
  const files = readdirSync(path.join(server.data), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes(uuid))
    .map((name) => path.join(server.data, name))
    .filter((file) => statSync(file).isFile())
    .sort((one, other) => statSync(other).size - statSync(one).size);
  if (files[0] === undefined || statSync(files[0]).size < large) throw new Error(`no large file of ${uuid}`);
  return files[0];
}

/** Reads slowly: the first piece, then nothing until told; gives what came, and whether another answer came after it. */
async function slowly(
  target: string,
  meanwhile: () => void,
): Promise<{ body: number; next: boolean; told: number }> {
  const socket = open();
  let all = Buffer.alloc(0);
  let closed = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  socket.write(head('GET', target));
  await waitFor(() => pieces.length > 0, 'the first piece', 20_000);
  socket.pause();
  meanwhile();
  socket.write(head('GET', '/healthz', { Connection: 'close' }));
  socket.resume();
  await waitFor(() => closed, 'the end of the connection', 30_000);
  all = Buffer.concat(pieces);
  const start = all.indexOf('\r\n\r\n') + 4;
  const told = Number(lengthOf(all.subarray(0, start).toString('latin1')));
  const next = all.subarray(start).lastIndexOf('HTTP/1.1 200 OK');
  return { told, body: next === -1 ? all.length - start : next, next: next !== -1 };
}

describe('a file that changes while it is sent', () => {
  test('and is cut: the connection ends, and nothing is read as the rest of it', async () => {
    const uuid = await job(`head -c ${large * 4} /dev/zero`);
    const file = largestOf(uuid);
    const { told, body, next } = await slowly(`/api/job/${uuid}/output/`, () => truncateSync(file, 100));
    expect(told).toBe(large * 4);
    expect(body).toBeLessThan(told);
    expect(next).toBe(false);
    expect((await ask(server, '/healthz')).status).toBe(200);
    expect(server.log()).not.toMatch(/"level":[56]0/);
  });

  test('and grows: as many bytes come as were told, then the next answer', async () => {
    const uuid = await job(`head -c ${large} /dev/zero`);
    const file = largestOf(uuid);
    const grown = () => appendFileSync(file, Buffer.alloc(large, 'x'));
    expect(await slowly(`/api/job/${uuid}/output/`, grown)).toEqual({ told: large, body: large, next: true });
  });
});

test('who waits for raw output and goes away leaves the server and the job well', async () => {
  const id = await server.register({ exec: '/bin/sh', argv: ['-c', 'sleep 1; echo done'] });
  const socket = open();
  socket.on('error', () => {});
  const before = (await ask(server, '/api/job/?limit=1')).json.meta.total_count;
  socket.write(
    head('POST', `/api/process_definition/${id}/run/?wait=30&output=raw`, { 'Content-Length': '0' }),
  );
  await waitFor(
    async () => (await ask(server, '/api/job/?limit=1')).json.meta.total_count > before,
    'the job',
    20_000,
  );
  socket.destroy();
  const state = async () =>
    (await ask(server, '/api/job/?limit=1&order_by=-created')).json.objects[0].state as string;
  await waitFor(async () => (await state()) === 'FINISHED', 'the end of the job', 20_000);
  expect(server.log()).not.toMatch(/"level":[56]0/);
});
