import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.js';
import { type FaultyCloud, faultyCloud } from './faulty-cloud.js';
import { describeOpenStack } from './openstack.js';
import { clear, createServer, deleteServer, serverBody, untilStatus } from './servers.js';
import { type Session, signIn } from './session.js';

describeOpenStack('a cloud whose services fail', ['fake'], (real) => {
  let faulty: FaultyCloud;
  /** Signed in through the proxies. */
  let session: Session;
  /** Past them. */
  let direct: Session;
  beforeAll(async () => {
    direct = await signIn(real);
    await clear(direct);
    faulty = await faultyCloud(real);
    session = await signIn(faulty.cloud);
  });
  afterEach(() => {
    faulty.pass();
    return clear(direct);
  });
  afterAll(() => faulty?.close());
  const servers = () => session.call('compute', 'GET', '/servers');
  const body = () => serverBody(real, direct, { flavor: 'fake.tiny' });

  test('its catalog names the proxies, and what they pass on is as it is', async () => {
    for (const service of ['compute', 'identity', 'image', 'network', 'orchestration'] as const)
      expect(session.endpoint(service)).toMatch(new RegExp(`^${faulty.proxies[service].url}/`));
    const id = await createServer(faulty.cloud, session, { flavor: 'fake.tiny' });
    const server = await untilStatus(session, id, 'ACTIVE');
    expect(server.id).toBe((await untilStatus(direct, id, 'ACTIVE')).id);
    expect(faulty.proxies.compute.requests).toContainEqual({
      method: 'POST',
      path: '/v2.1/servers',
      status: 202,
    });
    await deleteServer(session, id);
  });

  test('links to further pages lead through the proxy', async () => {
    await createServer(real, direct, { name: 'a', flavor: 'fake.tiny' });
    await createServer(real, direct, { name: 'b', flavor: 'fake.tiny' });
    const first = await session.ask('compute', 'GET', '/servers?limit=1');
    const next = first.servers_links.find(({ rel }: { rel: string }) => rel === 'next').href as string;
    expect(next.startsWith(faulty.proxies.compute.url)).toBe(true);
    const second = await fetch(next, { headers: { 'x-auth-token': session.token } });
    expect(second.status).toBe(200);
  });

  test('503 for the next two requests, and then none', async () => {
    faulty.proxies.compute.fail({ status: 503 }, 2);
    expect([(await servers()).status, (await servers()).status, (await servers()).status]).toEqual([
      503, 503, 200,
    ]);
  });

  test('429 with Retry-After, of some requests only', async () => {
    faulty.proxies.network.fail({ status: 429, retryAfter: 2 }, 1, { method: 'POST', path: /floatingips/ });
    expect((await session.call('network', 'GET', '/floatingips')).status).toBe(200);
    const refused = await session.call('network', 'POST', '/floatingips', {});
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('2');
  });

  test('a connection that is reset before the service has heard of the request', async () => {
    const wish = await body();
    faulty.proxies.compute.fail('reset');
    await expect(session.call('compute', 'POST', '/servers', wish)).rejects.toThrow();
    expect((await direct.ask('compute', 'GET', '/servers')).servers).toEqual([]);
  });

  test('the create whose answer is lost: the server is there', async () => {
    const wish = await body();
    faulty.proxies.compute.fail('lose-answer', 1, { method: 'POST' });
    await expect(session.call('compute', 'POST', '/servers', wish)).rejects.toThrow();
    expect((await direct.ask('compute', 'GET', '/servers')).servers).toHaveLength(1);
  });

  test('a service that hangs, until it passes again', async () => {
    const { requests } = faulty.proxies.compute;
    const before = requests.length;
    faulty.proxies.compute.fail('hang');
    const hanging = servers().then(
      () => 'answered',
      () => 'reset',
    );
    await waitFor(() => requests.length > before, 'the request to arrive');
    expect((await servers()).status).toBe(200);
    faulty.pass();
    expect(await hanging).toBe('reset');
  });

  test('a Keystone that is away', async () => {
    faulty.proxies.identity.fail({ status: 503 });
    await expect(signIn(faulty.cloud)).rejects.toThrow('503');
    await signIn(faulty.cloud);
  });
});
