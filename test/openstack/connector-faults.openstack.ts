import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Connector } from '../../src/drivers/connectors/connector.js';
import { untilDeleted, untilReached } from '../conformance/connector.js';
import { waitFor } from '../support/wait-for.js';
import { cloudsFile, newInstance, openHeat, openNova, orderOf } from './connectors.js';
import { limitNeutron, limitNova } from './faults.js';
import { type FaultyCloud, faultyCloud } from './faulty-cloud.js';
import { describeOpenStack } from './openstack.js';
import { act, clear, deleteServer, serverBody } from './servers.js';
import { type Session, signIn } from './session.js';

describeOpenStack('connectors of OpenStack, when something goes wrong', ['fake'], (real) => {
  let faulty: FaultyCloud;
  let session: Session;
  let admin: Session;
  let file: ReturnType<typeof cloudsFile>;
  const instance = newInstance();
  const opened: Connector[] = [];
  const keep = <T extends Connector>(connector: T): T => {
    opened.push(connector);
    return connector;
  };
  /** Through the proxies. */
  const nova = (more = {}) => keep(openNova(real, instance, { credentials: file.credentials, ...more }));
  const heat = (more = {}) => keep(openHeat(real, instance, { credentials: file.credentials, ...more }));
  const servers = async () => (await session.ask('compute', 'GET', '/servers')).servers as { id: string }[];
  const floatingIps = async () =>
    (await session.ask('network', 'GET', '/floatingips')).floatingips as unknown[];
  const posts = (path: RegExp, service: 'compute' | 'network' | 'orchestration' | 'identity' = 'compute') =>
    faulty.proxies[service].requests.filter((each) => each.method === 'POST' && path.test(each.path));

  beforeAll(async () => {
    session = await signIn(real);
    admin = await signIn(real, real.admin, { project: 'admin' });
    await clear(session);
    faulty = await faultyCloud(real);
    file = cloudsFile(faulty.cloud);
  });
  afterEach(async () => {
    faulty.pass();
    for (const connector of opened.splice(0)) await connector.close();
    await clear(session);
    for (const { proxy } of Object.values(faulty.proxies).map((proxy) => ({ proxy })))
      proxy.requests.length = 0;
  });
  afterAll(async () => {
    await faulty?.close();
    file?.remove();
  });

  test('the quota of Nova: not now', async () => {
    const connector = nova();
    const takeBack = await limitNova(admin, session.project, { instances: 0 });
    try {
      await expect(connector.create(orderOf(real, 'a'))).rejects.toMatchObject({
        problem: 'quota',
        message: expect.stringMatching(/^compute: POST \/servers answered 403: Quota exceeded for instances/),
      });
    } finally {
      await takeBack();
    }
    await connector.create(orderOf(real, 'a'));
  });

  test("the quotas of Nova and Neutron, by Heat: told of as such, by the stack's first try", async () => {
    const connector = heat();
    const limits = {
      a: () => limitNova(admin, session.project, { instances: 0 }),
      b: () => limitNeutron(admin, session.project, { floatingip: 0 }),
    };
    // Heat keeps a stack's name for a moment longer than the stack.
    for (const [name, limit] of Object.entries(limits)) {
      const order = orderOf(real, name, { floatingIp: true });
      const takeBack = await limit();
      try {
        const server = { name, id: await connector.create(order) };
        await expect(untilReached(connector, server, order)).rejects.toMatchObject({ problem: 'quota' });
        await untilDeleted(connector, server);
      } finally {
        await takeBack();
      }
    }
    expect(await servers()).toEqual([]);
  });

  test('the quota of floating IPs: not now, and the server waits for one', async () => {
    const connector = nova();
    const order = orderOf(real, 'a', { floatingIp: true });
    const server = { name: 'a', id: await connector.create(order) };
    const takeBack = await limitNeutron(admin, session.project, { floatingip: 0 });
    try {
      await expect(untilReached(connector, server, order)).rejects.toMatchObject({
        problem: 'quota',
        message: expect.stringContaining('floatingip'),
      });
    } finally {
      await takeBack();
    }
    expect(await untilReached(connector, server, order)).toMatchObject({ by: 'ssh', port: 22 });
    await untilDeleted(connector, server);
    expect(await floatingIps()).toEqual([]);
  });

  test.each([
    'nova',
    'heat',
  ] as const)('no valid host: %s tells it at once, and nothing stays', async (kind) => {
    const connector = kind === 'nova' ? nova() : heat();
    const order = orderOf(real, 'nohost', { flavor: 'fake.nohost' });
    const server = { name: 'nohost', id: await connector.create(order) };
    const began = Date.now();
    const shown = await waitFor(
      async () => (await connector.list()).find(({ id, state }) => id === server.id && state === 'error'),
      'the server to be in error',
      60_000,
    );
    expect(shown).toMatchObject({ problem: 'no-capacity', fault: expect.stringContaining('No valid host') });
    // Heat itself takes 84 s for six tries.
    expect(Date.now() - began).toBeLessThan(40_000);
    await expect(connector.reach(server, order)).rejects.toMatchObject({ problem: 'no-capacity' });
    await untilDeleted(connector, server);
    expect(await servers()).toEqual([]);
  });

  test.each([
    ['image', { image: 'tinny' }, 'no image tinny: is tiny meant?'],
    ['flavor', { flavor: 'fake.tinny' }, 'no flavor fake.tinny: is fake.tiny meant?'],
    ['network', { networks: ['privat'] }, 'no network privat: is private meant?'],
    ['security group', { securityGroups: ['shh'] }, 'no security group shh'],
    ['key pair', { keyName: 'nobody' }, 'no key pair nobody (it has none)'],
    ['external network', { floatingIp: 'pubic' }, 'no network pubic: is public meant?'],
  ])('an unknown %s is refused, with the nearest that there is', async (_, more, message) => {
    for (const connector of [nova(), heat()])
      await expect(connector.create(orderOf(real, 'a', more))).rejects.toMatchObject({
        problem: 'refused',
        message: expect.stringContaining(message),
      });
    expect(posts(/./)).toEqual([]);
  });

  test('a create whose answer was lost is found again by its name', async () => {
    for (const [service, connector, path] of [
      ['compute', nova(), /servers$/],
      ['orchestration', heat(), /stacks$/],
    ] as const) {
      const name = `lost-${service}`;
      faulty.proxies[service].fail('lose-answer', 1, { method: 'POST', path });
      await expect(connector.create(orderOf(real, name))).rejects.toMatchObject({ problem: 'unavailable' });
      const id = await connector.create(orderOf(real, name));
      expect(posts(path, service)).toHaveLength(1);
      expect((await connector.list()).filter((each) => each.name === name)).toMatchObject([{ id, instance }]);
      await untilDeleted(connector, { name, id });
    }
  });

  test('a floating IP whose answer was lost is found again, and there is one only', async () => {
    const connector = nova();
    const order = orderOf(real, 'a', { floatingIp: real.networks.public });
    const server = { name: 'a', id: await connector.create(order) };
    faulty.proxies.network.fail('lose-answer', 1, { method: 'POST', path: /floatingips/ });
    await expect(untilReached(connector, server, order)).rejects.toMatchObject({ problem: 'unavailable' });
    const reach = await untilReached(connector, server, order);
    expect(await floatingIps()).toMatchObject([
      { floating_ip_address: 'address' in reach ? reach.address : '' },
    ]);
  });

  test('a floating IP without its server is listed as what is left, and given back', async () => {
    const connector = nova();
    const order = orderOf(real, 'a', { floatingIp: true });
    const server = { name: 'a', id: await connector.create(order) };
    await untilReached(connector, server, order);
    await deleteServer(session, server.id);
    const [left] = await connector.list();
    expect(left).toMatchObject({
      name: 'a',
      instance,
      state: 'error',
      fault: expect.stringContaining('floating IP'),
    });
    // Whether or not others' may go as well.
    for (const foreign of [true, false]) {
      await untilDeleted(connector, { name: 'a', id: left?.id ?? null, foreign });
      expect(await floatingIps()).toEqual([]);
    }
    expect(await connector.list()).toEqual([]);
  });

  test("another's server of the same name is not ours, and goes without ours", async () => {
    const [connector, other] = [nova(), keep(openNova(real, newInstance()))];
    const order = orderOf(real, 'a', { floatingIp: true });
    const ours = { name: 'a', id: await connector.create(order) };
    const theirs = { name: 'a', id: await other.create(order) };
    expect(theirs.id).not.toBe(ours.id);
    const reach = await untilReached(connector, ours, order);
    await untilReached(other, theirs, order);
    await untilDeleted(connector, { ...theirs, foreign: true });
    expect(await connector.delete({ ...theirs, foreign: true })).toBe(true);
    expect(await connector.reach(ours, order)).toEqual(reach);
    // What they have besides stays with them.
    expect(await floatingIps()).toHaveLength(2);
    await untilDeleted(connector, ours);
    expect(await floatingIps()).toHaveLength(1);
    await untilDeleted(other, theirs);
    expect(await floatingIps()).toEqual([]);
  });

  test('two servers of one name, since a lost create was slow: it is always the same, and both are deleted', async () => {
    const connector = nova();
    const id = await connector.create(orderOf(real, 'a'));
    const { server } = await session.ask('compute', 'GET', `/servers/${id}`);
    const wish = await serverBody(real, session, {
      name: 'a',
      flavor: 'fake.tiny',
      metadata: server.metadata,
    });
    await session.ask('compute', 'POST', '/servers', wish);
    expect(await servers()).toHaveLength(2);
    // Nova tells when a server was made to the second: either may be the older one.
    const chosen = await connector.create(orderOf(real, 'a'));
    expect((await servers()).map((each) => each.id)).toContain(chosen);
    expect(await connector.create(orderOf(real, 'a'))).toBe(chosen);
    await untilDeleted(connector, { name: 'a', id });
    expect(await servers()).toEqual([]);
  });
  test.each([
    'nova',
    'heat',
  ] as const)('%s: a server that is stopped or deleted behind our back is told of', async (kind) => {
    const connector = kind === 'nova' ? nova() : heat();
    const order = orderOf(real, 'a');
    const server = { name: 'a', id: await connector.create(order) };
    await untilReached(connector, server, order);
    const [{ id } = { id: '' }] = await servers();
    const shown = async () => (await connector.list()).find(({ name }) => name === 'a');
    expect(await shown()).toMatchObject({ id: server.id, state: 'active' });
    await act(session, id, 'os-stop');
    await waitFor(async () => (await shown())?.state === 'stopped', 'the server to be told of as stopped');
    await deleteServer(session, id);
    const gone = await shown();
    if (kind === 'nova') expect(gone).toBeUndefined();
    else expect(gone).toMatchObject({ state: 'error', fault: 'the server of the stack is gone' });
    await untilDeleted(connector, server);
    expect(await connector.list()).toEqual([]);
  });

  test('503 and a reset connection: asked again, but for a create', async () => {
    const connector = nova();
    faulty.proxies.compute.fail({ status: 503 }, 2);
    faulty.proxies.compute.fail('reset', 1);
    expect(await connector.list()).toEqual([]);
    faulty.proxies.compute.fail({ status: 503 }, 1, { method: 'POST' });
    await expect(connector.create(orderOf(real, 'a'))).rejects.toMatchObject({
      problem: 'unavailable',
      message: expect.stringContaining('answered 503'),
    });
    expect(posts(/servers$/)).toHaveLength(1);
  });

  test('429: asked again when the cloud says, also for a create', async () => {
    const connector = nova();
    faulty.proxies.compute.fail({ status: 429, retryAfter: 1 }, 1, { method: 'POST' });
    const began = Date.now();
    await connector.create(orderOf(real, 'a'));
    expect(Date.now() - began).toBeGreaterThan(1000);
    expect(posts(/servers$/).map(({ status }) => status)).toEqual([429, 202]);
  });

  test('an API that hangs is given up', async () => {
    const connector = nova({ requestTimeout: 500, retries: 1 });
    faulty.proxies.network.fail('hang', Number.POSITIVE_INFINITY);
    await expect(connector.list()).rejects.toMatchObject({
      problem: 'unavailable',
      message: expect.stringContaining('did not answer within 0.5 s'),
    });
  });

  test('a Keystone that is away is unavailable, and a login that it does not know refused', async () => {
    faulty.proxies.identity.fail({ status: 503 }, Number.POSITIVE_INFINITY);
    await expect(nova({ retries: 1 }).list()).rejects.toMatchObject({ problem: 'unavailable' });
    faulty.pass();
    const wrong = cloudsFile(faulty.cloud, { login: { ...real.user, password: 'not-the-password' } });
    const connector = nova({ credentials: wrong.credentials });
    wrong.remove();
    const error = await connector.list().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      problem: 'refused',
      message: expect.stringContaining('the login was rejected'),
    });
    expect(String(error)).not.toContain('not-the-password');
  });

  test('a token that was refused is renewed once', async () => {
    const connector = nova();
    await connector.list();
    faulty.proxies.compute.fail({ status: 401 }, 1);
    faulty.proxies.network.fail({ status: 401 }, 1);
    expect(await connector.list()).toEqual([]);
    expect(posts(/tokens$/, 'identity')).toHaveLength(2);
    faulty.proxies.compute.fail({ status: 401 }, 2);
    await expect(connector.list()).rejects.toMatchObject({ problem: 'refused' });
  });

  test('a token that was revoked is renewed', async () => {
    const { credentials, remove } = cloudsFile(real, { login: real.other });
    const connector = nova({ credentials });
    remove();
    await connector.list();
    const theirs = await signIn(real, real.other);
    const enable = (enabled: boolean) =>
      admin.ask('identity', 'PATCH', `/users/${theirs.userId}`, { user: { enabled } });
    await enable(false);
    await enable(true);
    await waitFor(
      async () => (await theirs.call('compute', 'GET', '/servers')).status === 401,
      'the token to be refused',
    );
    // Keystone tells times by the second: what it gives in the same one is revoked with the rest.
    await waitFor(
      async () => (await (await signIn(real, real.other)).call('compute', 'GET', '/servers')).status === 200,
      'new tokens to be good',
    );
    expect(await connector.list()).toEqual([]);
  });

  test('a token is renewed before it ends', async () => {
    const { credentials, remove } = cloudsFile(real, { authUrl: real.shortAuthUrl });
    const connector = nova({ credentials });
    remove();
    const end = Date.now() + (real.shortTokenSeconds + 3) * 1000;
    await waitFor(
      async () => {
        expect(await connector.list()).toEqual([]);
        return Date.now() > end;
      },
      'two tokens to end',
      60_000,
    );
  });

  test('what was sent is in no message', async () => {
    const userData = '#!/bin/sh\necho a-secret-of-the-user\n';
    const order = orderOf(real, 'a', { userData, more: { nonsense: 1 } });
    const error = await nova()
      .create(order)
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ problem: 'refused', message: expect.stringContaining('answered 400') });
    expect(String(error)).not.toContain(Buffer.from(userData).toString('base64').slice(0, 20));
    const large = orderOf(real, 'a', { userData: 'x'.repeat(60_000) });
    await expect(nova().create(large)).rejects.toMatchObject({ problem: 'refused' });
  });
});
