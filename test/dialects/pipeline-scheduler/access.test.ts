import net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Ask } from '../../support/raw.js';
import { sample, startScheduler, type TestScheduler } from '../../support/scheduler.js';
import type { Login } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

let scheduler: TestScheduler;
beforeAll(async () => {
  scheduler = await startScheduler();
});
afterAll(() => scheduler.server.remove());

const call = (...args: Parameters<TestScheduler['call']>) => scheduler.call(...args);
/** The status with which somebody is let in, or not. */
const statusOf = async (path: string, more: Ask = {}) => (await call('GET', path, undefined, more)).status;
const headers = (given: Record<string, string>): Ask => ({ headers: given });

describe('without tokens', () => {
  test('whoever is on this machine needs no login', async () => {
    expect((await call('GET', '/')).json).toEqual({ request: 'success', content: 'A cloudy day!' });
    expect(await statusOf('/tasks?token=whatever')).toBe(200);
  });

  test.each([
    ['comes by a proxy', { 'X-Forwarded-For': '192.0.2.1' }],
    ['comes by a proxy', { Forwarded: 'for=192.0.2.1' }],
    ['comes by a proxy', { Via: '1.1 proxy' }],
    ['comes by a proxy', { 'X-Real-IP': '192.0.2.1' }],
    ['comes by a proxy', { 'X-Forwarded-Proto': 'https' }],
    ['asks under a foreign name', { Host: 'example.org' }],
    ['is sent by a web page of elsewhere', { Origin: 'https://example.org' }],
    ['is sent by a web page of elsewhere', { 'Sec-Fetch-Site': 'cross-site' }],
    ['is sent by a web page of elsewhere', { Origin: 'null' }],
  ])('a request that %s does (%o)', async (_what, given) => {
    const answer = await call('GET', '/tasks', undefined, headers(given));
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([
      401,
      expect.stringMatching(/^Basic/),
    ]);
    expect(answer.json).toMatchObject({ request: 'error', content: 'Do I know you? Log in.' });
    const posted = await call('POST', '/tasks', sample, headers({ ...given, 'Content-Type': 'text/plain' }));
    // What a web page of elsewhere sends is refused before anybody is asked for a login.
    const cross = 'Origin' in given || 'Sec-Fetch-Site' in given;
    expect(posted.status).toBe(cross ? 403 : 401);
  });
});

test('a proxy that says nothing of itself needs a login, too: nginx speaks HTTP/1.0 unless told otherwise', async () => {
  const { hostname, port, host } = new URL(scheduler.server.url);
  const said = await new Promise<string>((resolve, reject) => {
    const socket = net.connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.once('end', () => resolve(text)).once('error', reject);
    socket.write(`GET /tasks HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
  expect(said).toMatch(/^HTTP\/1\.1 401 /);
});

describe('each sees and cancels only what is theirs', () => {
  let alice: Login;
  let bob: Login;
  let id = '';
  beforeAll(async () => {
    [alice, bob] = [await scheduler.server.addUser('alice'), await scheduler.server.addUser('bob')];
    const made = await call('POST', '/tasks', { ...sample, script: 'waits.sh' }, { as: alice });
    expect(made.status).toBe(201);
    id = made.json.content.task.id;
  });

  test('also not by an id, nor by the older names', async () => {
    for (const as of [bob, null]) {
      for (const path of [`/tasks/${id}`, `/tasks/${id}/stdout`, `/tasks/${id}/stderr`])
        expect(await statusOf(path, { as })).toBe(404);
      expect((await call('DELETE', `/tasks/${id}`, undefined, { as })).status).toBe(404);
      expect((await call('GET', `/tasks?id=${id}`, undefined, { as })).json.content).toEqual([]);
      expect((await call('POST', '/tasks', [id], { as })).json.content).toEqual([]);
      expect((await call('GET', '/tasks', undefined, { as })).json.content).toEqual({
        active: [],
        queued: [],
      });
      expect((await call('GET', '/pipeline', { id }, { as })).status).toBe(404);
      const { active, queued } = (await call('GET', '/servers', undefined, { as })).json.content;
      expect(JSON.stringify([active, queued])).not.toContain(id);
      expect((await call('GET', '/instance', undefined, { as })).text).not.toContain(id);
    }
  });

  test('an admin sees all', async () => {
    expect(await statusOf(`/tasks/${id}`, { as: scheduler.server.admin })).toBe(200);
  });

  test('where servers are is told to who keeps them, as in the rest of the API', async () => {
    for (const [as, ip] of [
      [alice, null],
      [null, '127.0.0.1'],
      [scheduler.server.admin, '127.0.0.1'],
    ] as const) {
      const shown = await waitFor(async () => {
        const { active } = (await call('GET', '/servers', undefined, { as })).json.content;
        return active.find((one: { state: string }) => one.state === 'busy');
      }, 'a server that is busy');
      expect(shown).toMatchObject({ name: shown.name, ip });
      expect((await call('GET', '/instance', undefined, { as })).json.content.active[0]).toMatchObject({
        ip,
      });
    }
  });

  test('a server tells its task to whom it belongs', async () => {
    const server = await waitFor(async () => {
      const { active } = (await call('GET', '/servers', undefined, { as: alice })).json.content;
      return active[0]?.task === id ? active[0] : undefined;
    }, 'the server to have its task');
    const [instance] = (await call('GET', '/instance', undefined, { as: alice })).json.content.active;
    expect(instance).toMatchObject({ id: server.id, associatedPipeline: id });
    scheduler.go();
    expect((await scheduler.ended(id, { as: alice })).status).toBe('finished');
  });

  test('users who are no admins delete no servers and change no configuration', async () => {
    for (const [method, path] of [
      ['DELETE', '/servers/untracked'],
      ['DELETE', '/servers/untracked?dry_run=1'],
      ['DELETE', '/instance'],
      ['PUT', '/config'],
    ] as const) {
      const answer = await call(method, path, undefined, { as: alice });
      expect([path, answer.status, answer.json.request]).toEqual([path, 403, 'error']);
    }
    expect(
      (await call('DELETE', '/servers/untracked', undefined, { as: scheduler.server.admin })).status,
    ).toBe(200);
  });
});

describe('with tokens', () => {
  beforeAll(async () => {
    scheduler.write('tokens', '\n  \nfirst-token  \r\n\nsecond token\n');
    expect((await call('PUT', '/config')).status).toBe(200);
  });

  test.each([
    ['/?token=first-token', {}],
    ['/tasks?token=first-token', {}],
    ['/config?token=second%20token', {}],
    ['/tasks', { Authorization: 'Bearer first-token' }],
    ['/servers', { 'X-Forwarded-For': '192.0.2.1', Authorization: 'bearer first-token' }],
  ])('%s with one of them is let in', async (path, given) => {
    expect(await statusOf(path, headers(given))).toBe(200);
  });

  test('and a user with a login, by password or by a token of their own', async () => {
    const as = scheduler.server.admin;
    expect(await statusOf('/tasks', { as })).toBe(200);
    const made = await scheduler.server.fetch('/api/token/', { json: { name: 'mine' } });
    const { token } = (await made.json()) as { token: string };
    for (let times = 0; times < 5; times += 1)
      expect(await statusOf('/tasks', headers({ Authorization: `Bearer ${token}` }))).toBe(200);
  });

  test('nobody else is, not even on this machine', async () => {
    const answer = await call('GET', '/tasks');
    expect(answer.json).toMatchObject({
      request: 'error',
      content: 'Do I know you? Give a token in ?token=, or log in.',
    });
    for (const path of ['/', '/servers', '/config', '/pipeline', '/instance', '/tasks?token=', '/tasks/x'])
      expect([path, await statusOf(path)]).toEqual([path, 401]);
  });

  test('guesses are slowed down, by address, however they come', async () => {
    const as = async (number: number) =>
      number % 2 === 0
        ? statusOf(`/tasks?token=guess-${number}`)
        : statusOf('/tasks', headers({ Authorization: `Bearer guess-${number}` }));
    const statuses: number[] = [];
    for (let number = 0; number < 12; number += 1) statuses.push(await as(number));
    expect(statuses[0]).toBe(401);
    expect(statuses.at(-1)).toBe(429);
    const slowed = await call('GET', '/tasks?token=first-token');
    expect([slowed.status, Number(slowed.headers['retry-after']) > 0]).toEqual([429, true]);
    expect(slowed.json.content).toMatch(/^Too many failed logins\. Try again in \d+ s\.$/);
    // Who logs in as a user is not hindered.
    expect(await statusOf('/tasks', { as: scheduler.server.admin })).toBe(200);
  });

  test('a file of blank lines holds none', async () => {
    scheduler.write('tokens', '\n \n\t\n');
    expect((await call('PUT', '/config', undefined, { as: scheduler.server.admin })).status).toBe(200);
    expect(await statusOf('/tasks')).toBe(200);
    expect(await statusOf('/tasks', headers({ 'X-Forwarded-For': '192.0.2.1' }))).toBe(401);
  });
});
