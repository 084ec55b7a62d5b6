import { readdirSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../../support/raw.js';
import { basic, type Login, startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

const stream = (kind: 'input' | 'output', name: string) => ({
  [`${kind}_adapter`]: {
    [`${kind}_type`]: 'file',
    [`${kind}_parameters`]: { file_type: 'stream', stream_name: name },
  },
});
const tr = {
  exec: '/usr/bin/tr',
  argv: ['-d', 'x'],
  ...stream('input', 'STDIN'),
  ...stream('output', 'STDOUT'),
};
let server: TestServer;
let alice: Login;
let id: number;
let shell: (script: string) => Promise<number>;
const run = (query: string, options: Ask = {}, definition = id) =>
  ask(server, `/api/process_definition/${definition}/run/${query}`, {
    method: 'POST',
    as: alice,
    ...options,
  });
const incoming = () => readdirSync(path.join(server.data, 'incoming'));
const multipart = (parts: string) => ({
  body: `${parts}--b--\r\n`,
  headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
});
const part = (disposition: string, content: string) =>
  `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;

beforeAll(async () => {
  server = await startServer({ application: { MAX_INPUT_SIZE: '1MiB', MAX_BODY_SIZE: '64KiB' } });
  alice = await server.addUser('alice');
  id = await server.register(tr, alice);
  shell = (script) => server.register({ exec: '/bin/sh', argv: ['-c', script] }, alice);
});
afterAll(() => server.remove());

describe('the forms of an input', () => {
  const raw = '?wait=30&output=raw';
  test.each<[string, Ask, string]>([
    ['the body itself', { body: 'axbxc', headers: { 'Content-Type': 'text/plain' } }, 'abc'],
    [
      "a form's content type too",
      { body: 'a=x', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
      'a=',
    ],
    ['in chunks', { body: ['ax', 'bx'] }, 'ab'],
    ['empty', { body: '' }, ''],
    ['none at all', {}, ''],
    ['JSON text', { json: { input: { text: 'xéx☃' } } }, 'é☃'],
    ['multipart', multipart(part('name="input_file"; filename="in.txt"', 'xyz')), 'yz'],
    [
      'multipart with a job',
      multipart(part('name="input_file"; filename="in.txt"', 'xyz') + part('name="job"', '{"timeout": 9}')),
      'yz',
    ],
    ['multipart with the job only', multipart(part('name="job"', '{"input": {"text": "xj"}}')), 'j'],
    [
      'multipart with the job as a file',
      multipart(part('name="job"; filename="job.json"', '{"input": {"text": "xj"}}')),
      'j',
    ],
  ])('%s', async (_name, options, expected) => {
    const answer = await run(raw, options);
    expect([answer.status, answer.text]).toEqual([200, expected]);
    expect(answer.headers['x-job-uuid']).toMatch(/^[\da-f-]{36}$/);
  });

  test.each<[string, Ask, number]>([
    [
      'the input twice',
      multipart(part('name="input_file"', 'x') + part('name="job"', '{"input": {"text": "y"}}')),
      400,
    ],
    ['two files', multipart(part('name="input_file"', 'x') + part('name="input_file"', 'y')), 400],
    ['an unknown part', multipart(part('name="inputfile"; filename="a"', 'x')), 400],
    ['no boundary', { body: 'x', headers: { 'Content-Type': 'multipart/form-data' } }, 400],
    [
      'no end',
      {
        body: part('name="input_file"; filename="x"', 'x'),
        headers: { 'Content-Type': 'multipart/form-data; boundary=b' },
      },
      400,
    ],
    [
      'a job that is too large',
      multipart(part('name="job"; filename="job"', `{"input": {"text": "${'y'.repeat(70_000)}"}}`)),
      413,
    ],
    ['an input over MAX_INPUT_SIZE', { body: Buffer.alloc(1_100_000) }, 413],
    ['the same in chunks', { body: [Buffer.alloc(600_000), Buffer.alloc(600_000)] }, 413],
    ['the same as a part', multipart(part('name="input_file"; filename="a"', 'y'.repeat(1_100_000))), 413],
    ['JSON over MAX_BODY_SIZE', { json: { input: { text: 'y'.repeat(70_000) } } }, 413],
    [
      'JSON in chunks over MAX_BODY_SIZE',
      { body: ['"', 'y'.repeat(70_000), '"'], headers: { 'Content-Type': 'application/json' } },
      413,
    ],
    [
      'a name that leaves the folder',
      multipart(part('name="job"', '{"input": {"text": "x", "name": "../x"}}')),
      400,
    ],
  ])('%s is refused, and nothing stays behind', async (_name, options, status) => {
    const answer = await run('', options);
    expect([answer.status, answer.json.status]).toEqual([status, status]);
    expect(incoming()).toEqual([]);
  });

  test.each(['raw', 'multipart'])('an upload that is cut off leaves nothing behind: %s', async (form) => {
    const before = (await ask(server, '/api/job/')).json.meta.total_count;
    const { port, hostname } = new URL(server.url);
    const socket = net.connect(Number(port), hostname);
    const type = form === 'raw' ? 'text/plain' : 'multipart/form-data; boundary=b';
    const start =
      form === 'raw' ? '' : '--b\r\nContent-Disposition: form-data; name="input_file"; filename="a"\r\n\r\n';
    socket.write(
      `POST /api/process_definition/${id}/run/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(alice)}\r\nContent-Type: ${type}\r\nContent-Length: 900000\r\n\r\n${start}${'a'.repeat(400_000)}`,
    );
    await waitFor(() => incoming().length === 1, 'the upload to begin');
    socket.destroy();
    await waitFor(() => incoming().length === 0, 'the upload to be dropped');
    expect((await ask(server, '/api/job/')).json.meta.total_count).toBe(before);
  });

  test('many at once do not mix', async () => {
    const texts = Array.from({ length: 20 }, (_, number) => `${number}:`.repeat(2000));
    const answers = await Promise.all(texts.map((body) => run(raw, { body })));
    expect(answers.map(({ text }) => text)).toEqual(texts);
  });
});

describe('inputs from a URL', () => {
  let source: http.Server;
  let base: string;
  let open: TestServer;
  beforeAll(async () => {
    open = await startServer({ application: { INPUT_URL_PRIVATE_ADDRESSES: true } });
    source = http.createServer((request, response) => {
      if (request.url === '/loop') response.writeHead(302, { Location: '/loop' }).end();
      else if (request.url === '/there') response.writeHead(301, { Location: '/data/in%20put.txt' }).end();
      else if (request.url === '/file') response.writeHead(302, { Location: 'file:///etc/passwd' }).end();
      else if (request.url === '/cut') {
        response.writeHead(200, { 'Content-Length': 100 });
        response.write('abc', () => response.destroy());
      } else if (request.url?.startsWith('/data/')) response.end('fetxched');
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(source.address() as AddressInfo).port}`;
    await open.register(tr);
  });
  afterAll(async () => {
    source.closeAllConnections();
    source.close();
    await open.remove();
  });
  const fetchUrl = (url: string, query = '?wait=30&output=raw') =>
    ask(open, `/api/process_definition/1/run/${query}`, { json: { input: { url } } });

  test('private addresses where they are allowed, and redirects', async () => {
    expect((await fetchUrl(`${base}/data/x`)).text).toBe('fetched');
    const { json } = await fetchUrl(`${base}/there`, '?wait=30');
    expect(json).toMatchObject({ state: 'FINISHED', input_name: 'in put.txt', input_size: 8 });
  });

  test.each([
    ['/loop', 400],
    ['/file', 400],
    ['/cut', 502],
    ['/none', 502],
  ])('%s: %i', async (place, status) => {
    expect((await fetchUrl(base + place)).status).toBe(status);
    expect(readdirSync(path.join(open.data, 'incoming'))).toEqual([]);
  });

  test.each([
    'http://127.0.0.1:1/',
    'http://localhost/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/',
    'http://0.0.0.0/',
    'http://[fe80::1]/',
    'ftp://example.org/',
    'file:///etc/passwd',
    'http://user:secret@example.org/',
    'nonsense',
    'http://',
    'javascript:1',
  ])('%s is refused where they are not allowed', async (url) => {
    const answer = await run('', { json: { input: { url } } });
    expect(answer.status).toBe(400);
    expect(answer.json.errors[0].pointer).toBe('/input/url');
    expect(answer.text).not.toContain('secret@');
  });
});

describe('waiting', () => {
  test('202 at once, 202 when it takes longer, 200 when it has ended', async () => {
    const slow = await shell('sleep 30');
    const first = await run('', {}, slow);
    expect(first.status).toBe(202);
    expect(first.headers.location).toBe(`${server.url}/api/job/${first.json.uuid}/`);
    const second = await run('?wait=0.2', {}, slow);
    expect([second.status, second.json.state === 'CREATED' || second.json.state === 'RUNNING']).toEqual([
      202,
      true,
    ]);
    for (const { json } of [first, second]) {
      const receipt = await ask(server, `/api/job/${json.uuid}/cancel/`, { method: 'POST', as: alice });
      expect(receipt.status).toBe(200);
      expect(receipt.json).toMatchObject({
        survivors: [],
        job: { state: 'FAILED', outcome: { cause: 'cancelled' } },
      });
    }
    expect((await run('', { headers: { Prefer: 'wait=30' } })).json.state).toBe('FINISHED');
    const again = await ask(server, `/api/job/${first.json.uuid}/cancel/`, { method: 'POST', as: alice });
    expect(again.status).toBe(409);
  });

  test('a job that fails: 422 with the job', async () => {
    const answer = await run('?wait=30&output=raw', {}, await shell('echo partial; exit 3'));
    expect(answer.status).toBe(422);
    expect(answer.json).toMatchObject({
      state: 'FAILED',
      outcome: { cause: 'exit', exit_code: 3 },
      status: 422,
    });
    expect(answer.json.error).toContain('exit 3');
    expect(answer.headers.location).toContain(answer.json.uuid);
  });

  test('an ended job can be deleted, one under way cannot', async () => {
    const ended = (await run('?wait=30')).json.uuid;
    const going = (await run('', {}, await shell('sleep 30'))).json.uuid;
    const remove = (uuid: string, as = alice) => ask(server, `/api/job/${uuid}/`, { method: 'DELETE', as });
    expect((await remove(ended, await server.addUser('eve'))).status).toBe(404);
    expect((await remove(going)).status).toBe(409);
    expect((await remove(ended)).status).toBe(204);
    expect((await ask(server, `/api/job/${ended}/`, { as: alice })).status).toBe(404);
    await ask(server, `/api/job/${going}/cancel/`, { method: 'POST', as: alice });
  });
});

describe('Idempotency-Key', () => {
  const keyed = (key: string, body: string, query = '?wait=30') =>
    run(query, { body, headers: { 'Idempotency-Key': key } });
  test('the same request again is the same job, another one 409, also after a restart', async () => {
    const first = await keyed('one', 'a');
    expect(first.headers['idempotent-replayed']).toBeUndefined();
    const again = await keyed('one', 'a');
    expect([again.json.uuid, again.headers['idempotent-replayed']]).toEqual([first.json.uuid, 'true']);
    expect((await keyed('one', 'b')).status).toBe(409);
    await server.kill();
    await server.restart();
    expect((await keyed('one', 'a')).json.uuid).toBe(first.json.uuid);
    expect((await keyed('one', 'b')).status).toBe(409);
    expect(incoming()).toEqual([]);
    expect((await ask(server, `/api/job/${first.json.uuid}/`, { as: alice, method: 'DELETE' })).status).toBe(
      204,
    );
    expect((await keyed('one', 'b')).status).toBe(200);
  });

  test('at once: one job; to another user the key means nothing', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => keyed('two', 'a')));
    expect(new Set(answers.map(({ json }) => json.uuid)).size).toBe(1);
    const theirs = await ask(server, `/api/process_definition/${id}/run/`, {
      method: 'POST',
      body: 'z',
      headers: { 'Idempotency-Key': 'two' },
    });
    expect(theirs.status).toBe(202);
  });
});

test('dry_run says what would run, and runs nothing', async () => {
  const before = (await ask(server, '/api/job/')).json.meta.total_count;
  const { json } = await run('?dry_run=1&output_name=o.txt', { json: { environment: { A: 'b' } } });
  expect(json).toMatchObject({
    exec: '/usr/bin/tr',
    argv: ['-d', 'x'],
    executor: 'local',
    files: { input: 'STDIN', output: 'STDOUT', output_name: 'o.txt' },
  });
  expect((await ask(server, '/api/job/')).json.meta.total_count).toBe(before);
  expect(incoming()).toEqual([]);
});
