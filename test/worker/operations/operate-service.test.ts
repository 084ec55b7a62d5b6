import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  followStream,
  makeOperation,
  makeStream,
  operationIs,
  operationOf,
  put,
  putLines,
} from '../../support/operations.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

let names = 0;
/** A service of this definition between two streams. */
async function between(definition: object, more: object = {}) {
  names += 1;
  const input = await makeStream(server, `in-${names}`);
  const output = await makeStream(server, `out-${names}`);
  const id = await makeOperation(server, {
    name: `operation ${names}`,
    process_definition: await server.register({ process_type: 'service', ...definition }),
    input_stream: input,
    output_stream: output,
    ...more,
  });
  return { id, input, output };
}
const upper = { exec: 'tr', argv: ['a-z', 'A-Z'] };
const sh = (script: string, more: object = {}) => ({ exec: '/bin/sh', argv: ['-c', script], ...more });
const quick = { service: { backoff: { initial: 0.05, maximum: 0.1 } } };

test('one process for all messages: an answer for each, with its id, type and headers, in order', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}`);
  await putLines(server, input, lines);
  await put(server, input, 'last', {
    'Message-Id': 'mine',
    'Content-Type': 'text/x-special',
    'Message-Header-Level': 'high',
  });
  await waitFor(() => follower.received.length === 501, 'all answers');
  expect(follower.texts()).toEqual([...lines, 'last'].map((line) => line.toUpperCase()));
  expect(follower.received[499]?.id).toBe('m-500');
  expect(follower.received.at(-1)).toEqual({
    id: 'mine',
    content_type: 'text/x-special',
    headers: { level: 'high' },
    text: 'LAST',
  });
  const now = await operationIs(server, id, ({ lag }) => lag?.unsettled === 0, 'no lag');
  expect(now).toMatchObject({
    state: 'running',
    reason: null,
    service: expect.stringMatching(/^\/api\/job\/.+\/$/),
    counts: { received: 501, redelivered: 0, published: 501, failed: 0, dead: 0 },
  });
});

describe('every framing', () => {
  const lengthEcho = `
    let left = Buffer.alloc(0);
    process.stdin.on('data', (piece) => {
      left = Buffer.concat([left, piece]);
      while (left.length >= 4 && left.length >= 4 + left.readUInt32BE(0)) {
        const end = 4 + left.readUInt32BE(0);
        process.stdout.write(Buffer.concat([left.subarray(0, 4), left.subarray(4, end).reverse()]));
        left = left.subarray(end);
      }
    });`;

  test.each<[string, object, string[], (text: string) => string]>([
    ['line', upper, ['a', '', 'b c', 'ü'], (text) => text.toUpperCase().replace('Ü', 'ü')],
    ['nul', { exec: 'tr', argv: ['a-z', 'A-Z'] }, ['a\nb', '', 'c'], (text) => text.toUpperCase()],
    [
      'length',
      { exec: process.execPath, argv: ['-e', lengthEcho] },
      ['abc', '', 'd\n\0e'],
      (text) => [...text].reverse().join(''),
    ],
  ])('%s', async (framing, definition, bodies, answer) => {
    const { input, output } = await between(definition, { framing });
    const follower = await followStream(server, output);
    for (const body of bodies) await put(server, input, body);
    await waitFor(() => follower.received.length === bodies.length, 'all answers');
    expect(follower.texts()).toEqual(bodies.map(answer));
  });

  test("none: what the program writes is published as it comes, and is nobody's answer", async () => {
    const { id, input, output } = await between(upper, { framing: 'none', content_type: 'text/x-piece' });
    const follower = await followStream(server, output);
    for (const body of ['abc', 'def\n', 'g']) await put(server, input, body, { 'Message-Id': 'one' });
    await waitFor(() => follower.texts().join('') === 'ABCDEF\nG', 'all pieces');
    expect(follower.received[0]).toMatchObject({
      id: expect.stringMatching(/-/),
      content_type: 'text/x-piece',
    });
    expect((await operationOf(server, id)).answers).toBe('any');
  });

  test('a message that would be several records is a dead letter, and the answers stay with their messages', async () => {
    const { id, input, output } = await between(upper);
    const follower = await followStream(server, output);
    for (const [key, body] of [
      ['a', 'one'],
      ['b', 'two\nlines'],
      ['c', 'three'],
    ] as const) {
      await put(server, input, body, { 'Message-Id': key });
    }
    await waitFor(() => follower.received.length === 2, 'two answers');
    expect(follower.received.map(({ id: key, text }) => [key, text])).toEqual([
      ['a', 'ONE'],
      ['c', 'THREE'],
    ]);
    await operationIs(server, id, ({ counts }) => counts.dead === 1, 'a dead letter');
    const dead = await lettersOf(id);
    expect(dead).toMatchObject([
      { id: 'b', headers: { 'penstock-reason': expect.stringContaining('newline') } },
    ]);
  });
});

interface Letter {
  id: string;
  headers: Record<string, string>;
}
async function lettersOf(id: number): Promise<Letter[]> {
  const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
  return ((await answer.json()) as { objects: Letter[] }).objects;
}

test('any number of answers: each is published with an id of its own', async () => {
  const script = 'while read -r n; do i=0; while [ $i -lt "$n" ]; do echo "$n.$i"; i=$((i + 1)); done; done';
  const { input, output } = await between(sh(script), { answers: 'any' });
  const follower = await followStream(server, output);
  await putLines(server, input, ['2', '0', '3']);
  await waitFor(() => follower.received.length === 5, 'five records');
  expect(follower.texts()).toEqual(['2.0', '2.1', '3.0', '3.1', '3.2']);
  expect(new Set(follower.received.map(({ id }) => id)).size).toBe(5);
});

test('records that nobody takes wait in the program; all come in the end', async () => {
  names += 1;
  const input = await makeStream(server, `in-${names}`);
  const output = await makeStream(server, `out-${names}`, { max_messages: 10 });
  const definition = await server.register({
    process_type: 'service',
    ...sh('while read -r n; do seq "$n"; done'),
  });
  const base = { process_definition: definition };
  const blocker = await makeOperation(server, {
    ...base,
    name: `blocker ${names}`,
    input_stream: output,
    active: false,
  });
  const id = await makeOperation(server, {
    ...base,
    name: `operation ${names}`,
    input_stream: input,
    output_stream: output,
    answers: 'any',
    prefetch: 20,
  });
  await put(server, input, '800');
  const full = await operationIs(
    server,
    id,
    ({ state, counts }) => state === 'waiting' && counts.published === 10,
    'a full stream',
  );
  expect(full.reason).toContain('full');
  const follower = await followStream(server, output);
  await server.fetch(`/api/operation/${blocker}/`, { method: 'DELETE' });
  await waitFor(() => follower.received.length === 790, 'the other records');
  expect(follower.texts()).toEqual(Array.from({ length: 790 }, (_, index) => `${index + 11}`));
});

test('a service that somebody restarts, or stops, by its own job', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  await putLines(server, input, ['a']);
  const { service } = await operationIs(server, id, ({ counts }) => counts.published === 1, 'an answer');
  expect((await server.fetch(`${service}restart/`, { method: 'POST' })).status).toBe(200);
  await putLines(server, input, ['b']);
  await waitFor(() => follower.received.length === 2, 'another answer');
  expect((await server.fetch(`${service}stop/`, { method: 'POST' })).status).toBe(200);
  const now = await operationIs(server, id, ({ state }) => state === 'failing', 'it to be told');
  expect(now.reason).toBe('The service is gone: Stopped by root. Start the operation to start it again.');
  await putLines(server, input, ['c']);
  await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
  await waitFor(() => follower.received.length === 3, 'the last answer');
  expect(follower.texts()).toEqual(['A', 'B', 'C']);
});

test('a message that ends the service each time is a dead letter in the end; the others are answered', async () => {
  const script = 'while read -r line; do [ "$line" = poison ] && exit 7; echo "ok $line"; done';
  const { id, input, output } = await between(sh(script, quick), { max_deliveries: 3 });
  const follower = await followStream(server, output);
  await putLines(server, input, ['a', 'b', 'poison', 'c', 'd']);
  await waitFor(() => follower.received.length === 4, 'four answers');
  expect(follower.texts()).toEqual(['ok a', 'ok b', 'ok c', 'ok d']);
  expect(follower.received.map(({ headers }) => headers.redelivered)).toEqual([
    undefined,
    undefined,
    'true',
    'true',
  ]);
  const { counts, service } = await operationIs(server, id, ({ lag }) => lag?.unsettled === 0, 'no lag');
  expect(counts).toMatchObject({ published: 4, dead: 1, failed: 3 });
  expect(await lettersOf(id)).toMatchObject([
    {
      id: 'm-3',
      headers: { 'penstock-job': service, 'penstock-reason': expect.stringContaining('3 times') },
    },
  ]);
});

test('a slow service: no more than the prefetch is given to it, and the rest waits in the queue', async () => {
  // It answers nothing before it is let go.
  const { id, input, output } = await between(
    sh('read -r first; while [ ! -e go ]; do sleep 0.05; done; echo "$first"; cat'),
    {
      prefetch: 10,
    },
  );
  const follower = await followStream(server, output);
  const lines = Array.from({ length: 300 }, (_, index) => `${index}`);
  await putLines(server, input, lines);
  const held = await operationIs(server, id, ({ lag }) => lag?.unsettled === 10, 'ten unsettled');
  expect(held).toMatchObject({ lag: { ready: 290, unsettled: 10 }, counts: { received: 10, published: 0 } });
  const uuid = /([^/]+)\/$/.exec(held.service ?? '')?.[1] ?? '';
  writeFileSync(path.join(workOf(uuid), 'go'), '');
  await waitFor(() => follower.received.length === 300, 'all answers');
  expect(follower.texts()).toEqual(lines);
});

/** The folder that a service's program works in. */
const workOf = (uuid: string) => path.join(server.data, 'jobs', uuid.slice(3, 5), uuid, '1', 'work');

test('stopping ends the service, starting begins another; a name may change under it', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  await putLines(server, input, ['a']);
  await waitFor(() => follower.received.length === 1, 'an answer');
  const { service } = await operationOf(server, id);
  await server.fetch(`/api/operation/${id}/`, { method: 'PATCH', json: { name: `other ${names}` } });
  expect((await operationOf(server, id)).service).toBe(service);
  await server.fetch(`/api/operation/${id}/stop/`, { method: 'POST' });
  expect(await operationOf(server, id)).toMatchObject({ state: 'inactive', service: null });
  expect(await (await server.fetch(`${service}`)).json()).toMatchObject({ state: 'FINISHED' });
  await putLines(server, input, ['b']);
  const started = await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
  expect(await started.json()).toMatchObject({ active: true });
  await waitFor(() => follower.received.length === 2, 'another answer');
  expect(follower.texts()).toEqual(['A', 'B']);
  const other = (await operationOf(server, id)).service;
  expect(other).not.toBe(service);
  await server.fetch(`/api/operation/${id}/`, { method: 'DELETE' });
  expect(await (await server.fetch(`${other}`)).json()).toMatchObject({ state: 'FINISHED' });
});

test('a service that is given up is told, and messages wait; starting the operation starts it', async () => {
  const never = { service: { restart_mode: 'never' } };
  const { id, input, output } = await between(sh('read -r line; echo "ok $line"; exit 3', never));
  const follower = await followStream(server, output);
  await putLines(server, input, ['a', 'b']);
  const failing = await operationIs(server, id, ({ state }) => state === 'failing', 'it to fail');
  expect(failing).toMatchObject({ lag: { ready: 0, unsettled: 1 } });
  expect(failing.reason).toContain('service');
  await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
  await waitFor(() => follower.received.length === 2, 'the other answer');
  expect(follower.texts()).toEqual(['ok a', 'ok b']);
});

test('a stop of the server leaves the service; the next start takes it up, and nothing is lost or doubled', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  await putLines(server, input, ['a']);
  await waitFor(() => follower.received.length === 1, 'an answer');
  const { service } = await operationOf(server, id);
  await server.stop();
  await server.restart();
  const after = await followStream(server, output);
  await putLines(server, input, ['b']);
  await waitFor(() => after.received.length === 1, 'another answer');
  expect(after.received).toMatchObject([{ text: 'B', headers: {} }]);
  expect((await operationOf(server, id)).service).toBe(service);
  expect(await (await server.fetch(`${service}`)).json()).toMatchObject({ state: 'RUNNING', attempt: 1 });
});
