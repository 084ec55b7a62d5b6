import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filter } from '../../support/jobs.js';
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
let upper: number;
beforeAll(async () => {
  server = await startServer();
  upper = await server.register({ exec: 'tr', argv: ['a-z', 'A-Z'], name: 'upper' });
});
afterAll(() => server.remove());

let names = 0;
/** Two streams and an operation between them. */
async function between(definition: number, more: object = {}) {
  names += 1;
  const input = await makeStream(server, `in-${names}`);
  const output = await makeStream(server, `out-${names}`);
  const id = await makeOperation(server, {
    name: `operation ${names}`,
    process_definition: definition,
    input_stream: input,
    output_stream: output,
    ...more,
  });
  return { id, input, output };
}

const jobsOf = async (id: number) =>
  (await filter(server, `operation=${id}&order_by=created&limit=1000`)).objects;
const sh = (script: string, more: object = {}) =>
  server.register({ exec: '/bin/sh', argv: ['-c', script], ...more });

test('a job for each message; what it gives is published with id, type and headers, in order', async () => {
  const { id, input, output } = await between(upper, { concurrency: 4 });
  const follower = await followStream(server, output);
  const lines = Array.from({ length: 40 }, (_, index) => `line ${index}`);
  await putLines(server, input, lines);
  await put(server, input, 'last', {
    'Message-Id': 'mine',
    'Content-Type': 'text/x-special; charset=utf-8',
    'Message-Header-Level': 'high',
  });
  await waitFor(() => follower.received.length === 41, 'all results');
  expect(follower.texts()).toEqual([...lines, 'last'].map((line) => line.toUpperCase()));
  expect(follower.received.map((each) => each.id)).toEqual([
    ...lines.map((_, index) => `m-${index + 1}`),
    'mine',
  ]);
  expect(follower.received.at(-1)).toEqual({
    id: 'mine',
    content_type: 'text/x-special; charset=utf-8',
    headers: { level: 'high' },
    text: 'LAST',
  });
  const jobs = await jobsOf(id);
  expect(jobs).toHaveLength(41);
  expect(jobs.every(({ state }) => state === 'FINISHED')).toBe(true);
  const first = jobs.find(({ request }) => request.message === 'm-1');
  expect(first).toMatchObject({ operation: `/api/operation/${id}/`, input_name: 'message.txt' });
  const { state, counts, lag } = await operationIs(server, id, (now) => now.lag?.unsettled === 0, 'no lag');
  expect({ state, counts, lag }).toEqual({
    state: 'running',
    counts: { received: 41, redelivered: 0, published: 41, failed: 0, dead: 0 },
    lag: { ready: 0, unsettled: 0 },
  });
});

test('the order is that of the messages, however long each takes; as many at once as is said', async () => {
  const slowFirst = await sh('read n; sleep "0.$((9 - n))"; echo "$n"');
  const { input, output, id } = await between(slowFirst, { concurrency: 3 });
  const follower = await followStream(server, output);
  await putLines(server, input, ['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  let most = 0;
  await waitFor(async () => {
    const running = (await jobsOf(id)).filter(({ state }) => state === 'RUNNING').length;
    most = Math.max(most, running);
    return follower.received.length === 9;
  }, 'all results');
  expect(follower.texts()).toEqual(Array.from({ length: 9 }, (_, index) => `${index + 1}\n`));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(3);
});

test('a message has a file name, and its program is told its id', async () => {
  const definition = await server.register({
    exec: '/bin/sh',
    argv: ['-c', 'basename "$0"; printenv PENSTOCK_MESSAGE_ID', '${input_file}'],
    input_adapter: { input_type: 'file', input_parameters: { file_path: '${input_file}' } },
  });
  const { input, output } = await between(definition, { content_type: 'text/x-answer' });
  const follower = await followStream(server, output);
  await put(server, input, 'x', { 'Message-Header-File-Name': 'song.wav', 'Message-Id': 'one' });
  await put(server, input, '{}', { 'Content-Type': 'application/json', 'Message-Id': 'two' });
  await put(server, input, 'x', { 'Message-Header-File-Name': '../x', 'Message-Id': 'three' });
  await waitFor(() => follower.received.length === 3, 'three results');
  expect(follower.texts()).toEqual(['song.wav\none\n', 'message.json\ntwo\n', 'message.txt\nthree\n']);
  expect(follower.received[0]?.content_type).toBe('text/x-answer');
});

describe('a message without a result', () => {
  const failing = '[ "$(cat)" = bad ] && exit 3; echo fine';

  test('is a dead letter that leads to its job; those after it go on', async () => {
    const { id, input, output } = await between(await sh(failing));
    const follower = await followStream(server, output);
    await putLines(server, input, ['good', 'bad', 'good']);
    await waitFor(() => follower.received.length === 2, 'two results');
    const now = await operationIs(server, id, ({ counts }) => counts.dead === 1, 'a dead letter');
    expect(now.counts).toMatchObject({ received: 3, published: 2, failed: 1, dead: 1 });
    const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
    const failed = (await jobsOf(id)).find(({ state }) => state === 'FAILED');
    expect(await answer.json()).toEqual({
      stream: expect.stringMatching(/-dead$/),
      total: 1,
      objects: [
        {
          id: 'm-2',
          content_type: 'text/plain',
          size: 3,
          body: 'bad',
          headers: {
            'penstock-operation': `/api/operation/${id}/`,
            'penstock-job': `/api/job/${failed?.uuid}/`,
            'penstock-reason': 'Its job failed: exit code 3.',
          },
        },
      ],
    });
  });

  test('is tried as often as its definition says first', async () => {
    const definition = await sh(failing, { retries: { limit: 2, backoff: { initial: 0.01 } } });
    const { id, input } = await between(definition);
    await put(server, input, 'bad');
    await operationIs(server, id, ({ counts }) => counts.dead === 1, 'a dead letter');
    expect(await jobsOf(id)).toMatchObject([{ attempt: 3, state: 'FAILED' }]);
  });

  test('goes to the stream that is named, and can be given to its operation once more', async () => {
    const flag = path.join(server.data, 'mended');
    const definition = await sh(`[ -e ${flag} ] || exit 4; cat`);
    const dead = await makeStream(server, `dead-${names}`);
    const { id, input, output } = await between(definition, { dead_letters: dead });
    const other = await followStream(server, input);
    const [follower, mourner] = [await followStream(server, output), await followStream(server, dead)];
    await putLines(server, input, ['one', 'two']);
    await waitFor(() => mourner.received.length === 2, 'two dead letters');
    expect(mourner.texts()).toEqual(['one', 'two']);
    writeFileSync(flag, '');
    const answer = await server.fetch(`/api/operation/${id}/dead_letters/replay/`, { method: 'POST' });
    expect([answer.status, await answer.json()]).toEqual([200, { replayed: 2 }]);
    await waitFor(() => follower.received.length === 2, 'two results');
    expect(follower.texts()).toEqual(['one', 'two']);
    expect(follower.received[0]?.headers).toEqual({ redelivered: 'true' });
    // Only its own queue has had them again.
    expect(other.received).toHaveLength(2);
    const left = await server.fetch(`/api/operation/${id}/dead_letters/`);
    expect(await left.json()).toEqual({ stream: dead, total: 0, objects: [] });
  });
});

test('operations that share a stream of dead letters have to do with their own only', async () => {
  const failing = await sh('exit 5');
  const dead = await makeStream(server, 'shared-dead');
  const [one, two] = [
    await between(failing, { dead_letters: dead }),
    await between(failing, { dead_letters: dead }),
  ];
  await putLines(server, one.input, ['a', 'b']);
  await operationIs(server, one.id, ({ counts }) => counts.dead === 2, 'two dead letters');
  await putLines(server, two.input, ['c']);
  await operationIs(server, two.id, ({ counts }) => counts.dead === 1, 'another one');
  const letters = async (id: number) => {
    const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
    const { total, objects } = (await answer.json()) as { total: number; objects: { body: string }[] };
    return [total, ...objects.map(({ body }) => body)];
  };
  expect(await letters(one.id)).toEqual([2, 'a', 'b']);
  expect(await letters(two.id)).toEqual([1, 'c']);
  const discarded = await server.fetch(`/api/operation/${one.id}/dead_letters/`, { method: 'DELETE' });
  expect([discarded.status, await discarded.json()]).toEqual([200, { discarded: 2 }]);
  expect(await letters(one.id)).toEqual([0]);
  await putLines(server, one.input, ['d']);
  await operationIs(server, one.id, ({ counts }) => counts.dead === 3, 'one more');
  await server.fetch(`/api/operation/${one.id}/`, { method: 'DELETE' });
  expect(await letters(two.id)).toEqual([1, 'c']);
  // Nobody could take them out any more.
  const { queues } = (await (await server.fetch(`/api/stream/${dead}/`)).json()) as { queues: object[] };
  expect(queues).toMatchObject([{ ready: 1 }]);
});

test('dead letters go along when an operation gets another stream for them', async () => {
  const dead = await makeStream(server, 'other-dead');
  const { id, input } = await between(await sh('exit 6'));
  await putLines(server, input, ['a', 'b']);
  await operationIs(server, id, ({ counts }) => counts.dead === 2, 'two dead letters');
  const letters = async () => {
    const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
    const { stream, objects } = (await answer.json()) as { stream: string; objects: { body: string }[] };
    return { stream, bodies: objects.map(({ body }) => body) };
  };
  const own = (await letters()).stream;
  const change = (to: string | null) =>
    server.fetch(`/api/operation/${id}/`, { method: 'PATCH', json: { dead_letters: to } });
  expect((await change(dead)).ok).toBe(true);
  expect(await letters()).toEqual({ stream: dead, bodies: ['a', 'b'] });
  expect((await server.fetch(`/api/stream/${own}/`)).status).toBe(404);
  await putLines(server, input, ['c']);
  await operationIs(server, id, ({ counts }) => counts.dead === 3, 'another one');
  expect(await letters()).toEqual({ stream: dead, bodies: ['a', 'b', 'c'] });
  expect((await change(null)).ok).toBe(true);
  expect(await letters()).toEqual({ stream: own, bodies: ['a', 'b', 'c'] });
});

test('two messages with one id both run', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  await put(server, input, 'one', { 'Message-Id': 'same' });
  await put(server, input, 'one', { 'Message-Id': 'same' });
  await waitFor(() => follower.received.length === 2, 'two results');
  expect(await jobsOf(id)).toHaveLength(2);
});

test('stopped it takes nothing; started it goes on where it was', async () => {
  const { id, input, output } = await between(upper);
  const follower = await followStream(server, output);
  await server.fetch(`/api/operation/${id}/stop/`, { method: 'POST' });
  await putLines(server, input, ['one', 'two']);
  expect(await operationOf(server, id)).toMatchObject({
    state: 'inactive',
    active: false,
    lag: { ready: 2 },
  });
  expect(follower.received).toEqual([]);
  await server.fetch(`/api/operation/${id}/`, { method: 'PATCH', json: { active: true } });
  await waitFor(() => follower.received.length === 2, 'two results');
  expect(follower.texts()).toEqual(['ONE', 'TWO']);
});

test('what is published while it is away, or before it is started, waits; a name may change', async () => {
  const { id, input, output } = await between(upper, { active: false });
  await putLines(server, input, ['one', 'two']);
  await server.fetch(`/api/operation/${id}/`, { method: 'PATCH', json: { name: 'another name' } });
  await server.stop();
  await server.restart();
  const follower = await followStream(server, output);
  await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
  await waitFor(() => follower.received.length === 2, 'two results');
  expect(follower.texts()).toEqual(['ONE', 'TWO']);
});

test('a server that is killed between a job and its result runs nothing twice', async () => {
  const ran = path.join(server.data, 'ran');
  writeFileSync(ran, '');
  // The result of each cannot go out: the output stream is full.
  const definition = await sh(`read n; echo "$n" >> ${ran}; echo "result $n"`);
  names += 1;
  const input = await makeStream(server, `in-${names}`);
  const output = await makeStream(server, `out-${names}`, { max_messages: 1 });
  const blocker = await makeOperation(server, {
    name: `blocker ${names}`,
    process_definition: upper,
    input_stream: output,
    active: false,
  });
  const id = await makeOperation(server, {
    name: `operation ${names}`,
    process_definition: definition,
    input_stream: input,
    output_stream: output,
    concurrency: 3,
  });
  await putLines(server, input, ['1', '2', '3', '4', '5', '6', '7', '8']);
  const written = () => readFileSync(ran, 'utf8').split('\n').filter(Boolean);
  const stuck = await operationIs(
    server,
    id,
    ({ state, counts }) => state === 'waiting' && counts.published === 1 && written().length >= 6,
    'results to wait',
  );
  expect(stuck.reason).toContain('full');
  await server.kill();
  await server.restart();
  const follower = await followStream(server, output);
  await server.fetch(`/api/operation/${blocker}/`, { method: 'DELETE' });
  await waitFor(() => new Set(follower.texts()).size >= 7, 'the results');
  await operationIs(server, id, ({ lag }) => lag?.ready === 0 && lag.unsettled === 0, 'no lag');
  expect(written().sort()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
  expect(follower.texts()).toEqual([2, 3, 4, 5, 6, 7, 8].map((n) => `result ${n}\n`));
});

test('a full queue of jobs is no failure: messages wait', async () => {
  const small = await startServer({ application: { MAX_QUEUED_JOBS: 2, MAX_RUNNING_JOBS: 1 } });
  try {
    await makeStream(small, 'in');
    await makeStream(small, 'out');
    const definition = await small.register({ exec: '/bin/sh', argv: ['-c', 'sleep 0.05; cat'] });
    const id = await makeOperation(small, {
      name: 'many at once',
      process_definition: definition,
      input_stream: 'in',
      output_stream: 'out',
      concurrency: 20,
    });
    const follower = await followStream(small, 'out');
    await putLines(
      small,
      'in',
      Array.from({ length: 30 }, (_, index) => `${index}`),
    );
    await waitFor(() => follower.received.length === 30, 'all results');
    expect(follower.texts()).toEqual(Array.from({ length: 30 }, (_, index) => `${index}`));
    expect((await operationOf(small, id)).counts).toMatchObject({ failed: 0, dead: 0 });
  } finally {
    await small.remove();
  }
});
