import os from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

/** What can be read without a login. */
const open = [
  '/healthz',
  '/metrics',
  '/api/',
  '/api/docs/',
  '/api/docs/start.js',
  '/api/docs/errors/',
  '/api/openapi.json',
  '/v0.6/',
  '/v0.6/pnsconfig',
  '/v0.6/input',
  '/nothing-here',
];
const under = (Host: string, more: Ask = {}): Ask => ({ as: null, ...more, headers: { Host } });
const statuses = async (server: TestServer, host: string, more: Ask = {}) =>
  Promise.all(open.slice(0, -1).map(async (path) => (await ask(server, path, under(host, more))).status));

const foreign = [
  'rebound.example',
  'rebound.example:8100',
  'localhost.rebound.example',
  '127.0.0.1.nip.example',
];
const numbers = ['0.0.0.0', '0', '2130706433', '0x7f.1', '10.1.2.3', '[::]', '[fe80::1]:8100'];

describe('on a loopback address', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.remove());

  test.each([...foreign, ...numbers])('nothing is read without a login under the name %s', async (host) => {
    for (const path of open) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask(server, path, under(host, { method }));
        expect([path, method, answer.status]).toEqual([path, method, 403]);
        if (method === 'HEAD') continue;
        expect(answer.json).toMatchObject({ type: '/api/docs/errors/#foreign-host' });
        expect(answer.json.detail).toContain('TRUSTED_HOSTS');
      }
    }
  });

  test('a login that is made up does not help', async () => {
    const answer = await ask(server, '/v0.6/pnsconfig', {
      headers: { Host: 'rebound.example', Authorization: 'Basic eDp5' },
    });
    expect(answer.status).toBe(403);
  });

  test.each([...foreign, ...numbers])('the scheduler asks for a login under the name %s', async (host) => {
    const asked = ['/', '/tasks', '/servers', '/config', '/pipeline', '/instance'];
    for (const path of asked) expect((await ask(server, path, under(host))).status).toBe(401);
    const posted = await ask(server, '/tasks', under(host, { body: '{"type": "process"}' }));
    expect(posted.status).toBe(401);
    expect((await ask(server, '/tasks', { headers: { Host: host } })).status).toBe(200);
  });

  test.each([
    'localhost',
    'LocalHost:8100',
    '127.0.0.1',
    '127.8.9.10:1',
    '[::1]',
    '[::1]:8100',
    '',
  ])('everything is read under the name "%s"', async (host) => {
    expect(await statuses(server, host)).toEqual(open.slice(0, -1).map(() => 200));
  });

  test('whoever logs in may use any name', async () => {
    const headers = { Host: 'alias.example' };
    expect((await ask(server, '/api/job/', { headers })).status).toBe(200);
    const json = { definition: { exec: 'true' } };
    const type = { 'Content-Type': 'application/json' };
    expect(
      (await ask(server, '/api/process_definition/', { json, headers: { ...headers, ...type } })).status,
    ).toBe(201);
    expect((await ask(server, '/v0.6/echo', { json: {}, headers: { ...headers, ...type } })).status).toBe(
      200,
    );
  });
});

test('names of TRUSTED_HOSTS are good, on loopback too, but let nobody use the scheduler without a login', async () => {
  const server = await startServer({ application: { TRUSTED_HOSTS: ['Lab.example', '10.1.2.3'] } });
  try {
    for (const host of ['lab.example', 'LAB.example:444', '10.1.2.3:80', 'localhost'])
      expect(await statuses(server, host)).not.toContain(403);
    expect(new Set(await statuses(server, 'x.lab.example'))).toEqual(new Set([403]));
    // Behind a proxy that says nothing of itself, everybody's name would be this one.
    expect((await ask(server, '/tasks', under('lab.example'))).status).toBe(401);
  } finally {
    await server.remove();
  }
});

test('behind a proxy any name is good, until names are told', async () => {
  const any = await startServer({ application: { TRUST_PROXY: true } });
  const some = await startServer({ application: { TRUST_PROXY: true, TRUSTED_HOSTS: ['lab.example'] } });
  try {
    expect(await statuses(any, 'lab.example')).not.toContain(403);
    expect((await ask(any, '/tasks', under('lab.example'))).status).toBe(401);
    expect(await statuses(some, 'lab.example')).not.toContain(403);
    expect(new Set(await statuses(some, 'rebound.example'))).toEqual(new Set([403]));
    // What a page can write into a header does not count.
    const forwarded = { as: null, headers: { Host: 'rebound.example', 'X-Forwarded-Host': 'lab.example' } };
    expect((await ask(some, '/metrics', forwarded)).status).toBe(403);
  } finally {
    await any.remove();
    await some.remove();
  }
});

const address = Object.values(os.networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;
const why = address === undefined ? ' (skipped: this machine has no address but loopback)' : '';
test.skipIf(address === undefined)(
  `on another address any name is good, until names are told${why}`,
  async () => {
    const switches = ['--port', '0', '--host', address ?? ''];
    const any = await startServer({ switches });
    const some = await startServer({ switches, application: { TRUSTED_HOSTS: ['lab.example'] } });
    try {
      for (const host of ['lab.example', 'whatever.example:1', `${address}`])
        expect(await statuses(any, host)).not.toContain(403);
      expect(await statuses(some, 'lab.example:8100')).not.toContain(403);
      for (const host of ['whatever.example', 'localhost', `${address}`])
        expect(new Set(await statuses(some, host))).toEqual(new Set([403]));
    } finally {
      await any.remove();
      await some.remove();
    }
  },
);
