import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Credentials } from '../../../../src/drivers/connectors/openstack/credentials.js';
import {
  openSession,
  type Session,
  type SessionOptions,
} from '../../../../src/drivers/connectors/openstack/session.js';
import { openWire } from '../../../../src/drivers/connectors/openstack/wire.js';

interface Endpoint {
  interface: string;
  region: string;
  url: string;
}

/** A cloud as far as its answers go: one small server that is Keystone and every service. */
interface Cloud {
  url: string;
  /** What was asked, and with which token. */
  seen: { method: string; path: string; token: string | undefined; body: unknown }[];
  /** Seconds that a token is good for. */
  lifetime: number;
  /** Tokens that are accepted no more. */
  revoked: Set<string>;
  endpoints: { type: string; endpoints: Endpoint[] }[];
  answers: Record<string, unknown>;
}

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startCloud(): Promise<Cloud> {
  const cloud: Cloud = { url: '', seen: [], lifetime: 3600, revoked: new Set(), endpoints: [], answers: {} };
  let tokens = 0;
  const server = http.createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    const { method = '', url: path = '' } = request;
    const token = request.headers['x-auth-token'] as string | undefined;
    cloud.seen.push({ method, path, token, body: text === '' ? undefined : JSON.parse(text) });
    const say = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (path === '/v3/auth/tokens') {
      tokens += 1;
      // Its clock is years behind ours.
      const issued = Date.parse('2001-01-01T00:00:00Z');
      say(
        201,
        {
          token: {
            issued_at: new Date(issued).toISOString(),
            expires_at: new Date(issued + cloud.lifetime * 1000).toISOString(),
            project: { id: 'p1' },
            catalog: cloud.endpoints,
          },
        },
        { 'x-subject-token': `token-${tokens}` },
      );
    } else if (token === undefined || cloud.revoked.has(token)) say(401, { error: { message: 'no' } });
    else say(path in cloud.answers ? 200 : 404, cloud.answers[path] ?? {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  cloud.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return cloud;
}

function open(cloud: Cloud, options: Partial<SessionOptions> = {}, more: Partial<Credentials> = {}): Session {
  const wire = openWire({
    connectTimeout: 2000,
    requestTimeout: 5000,
    retries: 0,
    ca: null,
    insecure: false,
  });
  const session = openSession(wire, {
    credentials: {
      authUrl: `${cloud.url}/v3`,
      login: { by: 'password', user: { name: 'ada', domain: { id: 'default' } }, password: 's3cret' },
      project: { name: 'demo', domain: { name: 'Lab' } },
      region: null,
      interface: null,
      ca: null,
      insecure: false,
      ...more,
    },
    region: null,
    interface: null,
    ...options,
  });
  ends.push(() => session.close());
  return session;
}
const at = (cloud: Cloud, path: string, region = 'One', kind = 'public'): Endpoint => ({
  interface: kind,
  region,
  url: `${cloud.url}${path}`,
});
const signIns = (cloud: Cloud) => cloud.seen.filter(({ path }) => path === '/v3/auth/tokens');

describe('the login', () => {
  test.each<[string, Partial<Credentials>, unknown]>([
    [
      'by password',
      {},
      {
        identity: {
          methods: ['password'],
          password: { user: { name: 'ada', domain: { id: 'default' }, password: 's3cret' } },
        },
        scope: { project: { name: 'demo', domain: { name: 'Lab' } } },
      },
    ],
    [
      'by ids',
      { login: { by: 'password', user: { id: 'u1' }, password: 's3cret' }, project: { id: 'p1' } },
      {
        identity: { methods: ['password'], password: { user: { id: 'u1', password: 's3cret' } } },
        scope: { project: { id: 'p1' } },
      },
    ],
    [
      'by application credential',
      { login: { by: 'application-credential', credential: { id: 'a1' }, secret: 'hush' }, project: null },
      {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: 'a1', secret: 'hush' },
        },
      },
    ],
  ])('%s is told as Keystone wants it', async (_, more, auth) => {
    const cloud = await startCloud();
    expect(await open(cloud, {}, more).project()).toBe('p1');
    expect(signIns(cloud).map(({ body }) => body)).toEqual([{ auth }]);
  });
});

describe('the token', () => {
  const ready = async () => {
    const cloud = await startCloud();
    cloud.endpoints = [{ type: 'compute', endpoints: [at(cloud, '/v2.1')] }];
    cloud.answers = { '/v2.1/servers': { servers: [] } };
    return cloud;
  };
  const list = (session: Session) => session.all('compute', '/servers', 'servers');

  test('is asked for once by many, and again once by many when it is refused', async () => {
    const cloud = await ready();
    const session = open(cloud);
    await Promise.all(Array.from({ length: 20 }, () => list(session)));
    expect(signIns(cloud)).toHaveLength(1);
    cloud.revoked.add('token-1');
    await Promise.all(Array.from({ length: 20 }, () => list(session)));
    expect(signIns(cloud)).toHaveLength(2);
  });

  test('that is refused again is the end of it', async () => {
    const cloud = await ready();
    for (const name of ['token-1', 'token-2', 'token-3']) cloud.revoked.add(name);
    await expect(list(open(cloud))).rejects.toMatchObject({ problem: 'refused', status: 401 });
    expect(signIns(cloud)).toHaveLength(2);
  });

  test('is renewed before it ends, whatever the clock of the cloud says', async () => {
    const cloud = await ready();
    cloud.lifetime = 3600;
    const session = open(cloud);
    await list(session);
    await list(session);
    expect(signIns(cloud)).toHaveLength(1);
    const short = await ready();
    // Shorter than can be: taken for a second, of which four fifths are used.
    short.lifetime = 0;
    const other = open(short);
    const end = Date.now() + 1500;
    while (Date.now() < end) await list(other);
    expect(signIns(short).length).toBe(2);
  });
});

describe('the catalogue', () => {
  test.each([
    ['compute', '/v2.1', '/v2.1/x'],
    ['compute', '/v2.1/p1/', '/v2.1/p1/x'],
    ['compute', '/compute', '/compute/v2.1/x'],
    ['network', '', '/v2.0/x'],
    ['network', '/networking/', '/networking/v2.0/x'],
    ['network', '/v2.0', '/v2.0/x'],
    ['image', '', '/v2/x'],
    ['image', '/image/v2/', '/image/v2/x'],
    ['orchestration', '/v1/p1', '/v1/p1/x'],
    ['orchestration', '/heat', '/heat/v1/p1/x'],
  ] as const)('of %s at %j leads to %s', async (service, path, wanted) => {
    const cloud = await startCloud();
    cloud.endpoints = [{ type: service, endpoints: [at(cloud, path)] }];
    cloud.answers = { [wanted]: { found: true } };
    expect(await open(cloud).request(service, 'GET', '/x')).toEqual({ found: true });
  });

  test('of several regions and interfaces is asked for the one that is said, or says what there is', async () => {
    const cloud = await startCloud();
    cloud.endpoints = [
      {
        type: 'compute',
        endpoints: [at(cloud, '/one'), at(cloud, '/two', 'Two'), at(cloud, '/inside', 'One', 'internal')],
      },
    ];
    for (const path of ['/one', '/two', '/inside']) cloud.answers[`${path}/v2.1/x`] = { path };
    const ask = (options: Partial<SessionOptions>, more: Partial<Credentials> = {}) =>
      open(cloud, options, more).request('compute', 'GET', '/x');
    expect(await ask({ region: 'Two' })).toEqual({ path: '/two' });
    expect(await ask({}, { region: 'Two' })).toEqual({ path: '/two' });
    expect(await ask({ region: 'One' }, { region: 'Two' })).toEqual({ path: '/one' });
    expect(await ask({ interface: 'internal' })).toEqual({ path: '/inside' });
    await expect(ask({})).rejects.toMatchObject({
      problem: 'refused',
      message: expect.stringContaining('compute in the regions One, Two: set REGION'),
    });
    await expect(ask({ region: 'Tow' })).rejects.toThrow('no compute in the region Tow: is Two meant?');
    await expect(ask({ interface: 'admin' })).rejects.toThrow('it has internal, public');
  });
});

test('the next page is asked of where the catalogue says, whatever the link says', async () => {
  const cloud = await startCloud();
  cloud.endpoints = [{ type: 'compute', endpoints: [at(cloud, '/v2.1')] }];
  cloud.answers = {
    '/v2.1/servers?limit=1': {
      servers: [{ id: 'a' }],
      servers_links: [{ rel: 'next', href: 'http://192.0.2.1/v2.1/servers?limit=1&marker=a' }],
    },
    '/v2.1/servers?limit=1&marker=a': { servers: [{ id: 'b' }] },
  };
  expect(await open(cloud).all('compute', '/servers', 'servers', { limit: '1' })).toEqual([
    { id: 'a' },
    { id: 'b' },
  ]);
});

test('what is no OpenStack is told', async () => {
  const cloud = await startCloud();
  cloud.endpoints = [{ type: 'compute', endpoints: [at(cloud, '/v2.1')] }];
  cloud.answers = { '/v2.1/servers': 'Welcome', '/v2.1/x': '"text"' };
  const session = open(cloud);
  for (const path of ['/servers', '/x'])
    await expect(session.request('compute', 'GET', path)).rejects.toMatchObject({
      problem: 'unavailable',
      message: expect.stringContaining('not in JSON'),
    });
});
