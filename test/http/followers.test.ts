import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { followJobs } from '../support/follow.js';
import { followStream } from '../support/follow-stream.js';
import { submit } from '../support/jobs.js';
import { ask } from '../support/raw.js';
import { basic, type Login, startServer, type TestServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

let server: TestServer;
let ada: Login;
let bob: Login;
beforeAll(async () => {
  server = await startServer({ application: { MAX_FOLLOWERS_PER_USER: 4, MAX_FOLLOWERS: 6 } });
  ada = await server.addUser('ada');
  bob = await server.addUser('bob');
  expect((await ask(server, '/api/stream/news/', { method: 'PUT', json: {}, as: ada })).status).toBe(201);
});
afterAll(() => server.remove());

const refusal = async (path: string, as: Login) => {
  const { status, headers, json } = await ask(server, path, { as });
  return { status, wait: headers['retry-after'], type: json.type, detail: json.detail as string };
};
/** Followers that are there until they are cut. */
const stays = async (path: string, as: Login) => {
  const cut = new AbortController();
  const answer = await server.fetch(path, { as, signal: cut.signal });
  expect(answer.status).toBe(200);
  return { cut: () => cut.abort() };
};

/** So many followers of all jobs, as soon as there are places for them. */
async function places(count: number): Promise<{ cut(): void }[]> {
  const taken: { cut(): void }[] = [];
  while (taken.length < count) {
    const place = () => followJobs(server, { as: ada }).catch(() => undefined);
    taken.push(await waitFor(place, `place ${taken.length + 1}`));
  }
  return taken;
}

test('a user follows so many streams, of whatever kind, and all users together so many', async () => {
  const sleeper = await server.register({ exec: '/bin/sleep', argv: ['1000'] }, ada);
  const job = `/api/job/${await submit(server, sleeper, 'x', ada)}`;
  const ofAda = await Promise.all([
    stays('/api/job/?follow=1', ada),
    stays(`${job}/history/?follow=1`, ada),
    stays(`${job}/stdout/?follow=1`, ada),
    stays('/api/stream/news/messages/?follow=1', ada),
  ]);
  for (const path of [
    '/api/job/?follow=1',
    `${job}/history/?follow=1`,
    `${job}/stderr/?follow=1`,
    '/api/stream/news/messages/?follow=1',
  ]) {
    expect(await refusal(path, ada)).toEqual({
      status: 429,
      wait: '5',
      type: '/api/docs/errors/#too-many-followers',
      detail: expect.stringContaining('MAX_FOLLOWERS_PER_USER'),
    });
  }
  // What is no stream is answered as ever.
  expect((await ask(server, `${job}/history/`, { as: ada })).status).toBe(200);

  const ofBob = await Promise.all([stays('/api/job/?follow=1', bob), stays('/api/job/?follow=1', bob)]);
  expect(await refusal('/api/job/?follow=1', bob)).toMatchObject({
    status: 429,
    detail: expect.stringContaining('MAX_FOLLOWERS)'),
  });
  for (const one of [...ofAda, ...ofBob]) one.cut();
  // Each that has gone makes room: again as many, and not one more.
  const again = await places(4);
  expect((await refusal('/api/job/?follow=1', ada)).status).toBe(429);
  for (const one of again) one.cut();
  await ask(server, `${job}/cancel/`, { method: 'POST', as: ada });
});

test('who leaves before the answer takes no place', async () => {
  const { hostname, port } = new URL(server.url);
  const sleeper = await server.register({ exec: '/bin/sleep', argv: ['1000'] }, ada);
  const job = `/api/job/${await submit(server, sleeper, 'x', ada)}`;
  const paths = [
    '/api/job/?follow=1',
    `${job}/history/?follow=1`,
    `${job}/stdout/?follow=1`,
    '/api/stream/news/messages/?follow=1',
  ];
  for (let round = 0; round < 40; round += 1) {
    const socket = net.connect(Number(port), hostname);
    socket.on('error', () => {});
    const path = paths[round % paths.length];
    socket.end(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${basic(ada)}\r\n\r\n`, () => {
      socket.destroy();
    });
    await once(socket, 'close');
  }
  const free = await places(4);
  for (const one of free) one.cut();
  await ask(server, `${job}/cancel/`, { method: 'POST', as: ada });
});

test('all who follow a stream are told of each message, which is read once for them', async () => {
  const delivered = async () =>
    Number(
      /^penstock_stream_messages_total\{[^}]*delivered[^}]*memory[^}]*\} (\d+)$|^penstock_stream_messages_total\{[^}]*memory[^}]*delivered[^}]*\} (\d+)$/m
        .exec((await ask(server, '/metrics')).text)
        ?.slice(1)
        .find((count) => count !== undefined),
    );
  const followers = await Promise.all(Array.from({ length: 4 }, () => followStream(server, 'news', ada)));
  const before = (await delivered()) || 0;
  const body = Array.from({ length: 100 }, (_, n) => `${n}`).join('\n');
  const published = await ask(server, '/api/stream/news/messages/?framing=line', { body, as: ada });
  expect(published.json).toEqual({ published: 100 });
  for (const { messages } of followers) {
    await waitFor(() => messages.length === 100, '100 messages');
    expect(messages.map(({ text }) => text)).toEqual(body.split('\n'));
  }
  expect((await delivered()) - before).toBe(100);

  // One who leaves takes nothing from the others; the last one ends the reading, and the next begins one.
  const [first, ...others] = followers;
  first?.cut();
  await first?.closed;
  await ask(server, '/api/stream/news/messages/', { method: 'POST', body: 'more', as: ada });
  for (const { messages } of others) await waitFor(() => messages.length === 101, 'one more');
  for (const one of others) one.cut();
  await Promise.all(others.map(({ closed }) => closed));
  const next = await waitFor(
    () => followStream(server, 'news', ada).catch(() => undefined),
    'another follower',
  );
  await ask(server, '/api/stream/news/messages/', { method: 'POST', body: 'again', as: ada });
  await waitFor(() => next.messages.length === 1, 'a message');
  expect(next.messages[0]?.text).toBe('again');
  next.cut();
});

test('all who follow all jobs are told of each event, once and in order', async () => {
  const followers = await Promise.all(Array.from({ length: 4 }, () => followJobs(server, { as: ada })));
  const quick = await server.register({ exec: '/bin/true' }, ada);
  const uuids = await Promise.all(Array.from({ length: 30 }, () => submit(server, quick, 'x', ada)));
  for (const { received } of followers) {
    await waitFor(() => received.length === 3 * uuids.length, 'all events');
    expect(received.map(({ id }) => id)).toEqual(followers[0]?.received.map(({ id }) => id));
    for (const uuid of uuids) {
      const mine = received.filter(({ event }) => event.job_uuid === uuid);
      expect(mine.map(({ event }) => event.name)).toEqual(['create', 'run', 'finish']);
    }
  }
  for (const one of followers) one.cut();
});
