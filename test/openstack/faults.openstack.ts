import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.js';
import { closedGroup, crash, deaf, limitNeutron, limitNova, revokeToken } from './faults.js';
import { describeOpenStack } from './openstack.js';
import {
  act,
  addFloatingIp,
  clear,
  createServer,
  deleteServer,
  type Key,
  makeKey,
  serverBody,
  ssh,
  untilConsole,
  untilGone,
  untilStatus,
} from './servers.js';
import { idOf, type Session, signIn } from './session.js';

describeOpenStack('what others do to a project', ['fake'], (cloud) => {
  let session: Session;
  let admin: Session;
  beforeAll(async () => {
    session = await signIn(cloud);
    admin = await signIn(cloud, cloud.admin, { project: 'admin' });
    await clear(session);
  });
  afterEach(() => clear(session));
  const body = () => serverBody(cloud, session, { flavor: 'fake.tiny' });
  const create = async () => await session.call('compute', 'POST', '/servers', await body());

  test('a quota of instances, and of memory', async () => {
    for (const limits of [{ instances: 1 }, { ram: 300 }]) {
      const takeBack = await limitNova(admin, session.project, limits);
      expect((await create()).status).toBe(202);
      const refused = await create();
      expect(refused.status).toBe(403);
      expect(refused.body.forbidden.message).toMatch(/^Quota exceeded for (instances|ram)/);
      await takeBack();
      expect((await create()).status).toBe(202);
      await clear(session);
    }
  });

  test('a flavor beyond the quota that everybody has', async () => {
    const wish = await serverBody(cloud, session, { flavor: 'fake.overquota' });
    expect((await session.call('compute', 'POST', '/servers', wish)).status).toBe(403);
  });

  test('a quota of floating IPs', async () => {
    const floatingip = {
      floating_network_id: await idOf(session, 'network', 'networks', cloud.networks.public),
    };
    const takeIp = () => session.call('network', 'POST', '/floatingips', { floatingip });
    const takeBack = await limitNeutron(admin, session.project, { floatingip: 0 });
    const refused = await takeIp();
    expect(refused.status).toBe(409);
    expect(refused.body.NeutronError.type).toBe('OverQuota');
    await takeBack();
    expect((await takeIp()).status).toBe(201);
  });

  test('a token that is revoked', async () => {
    const revoked = await signIn(cloud);
    const statuses = () =>
      Promise.all([
        revoked.call('compute', 'GET', '/servers'),
        revoked.call('network', 'GET', '/networks'),
        revoked.call('image', 'GET', '/images'),
      ]).then((answers) => answers.map(({ status }) => status));
    expect(await statuses()).toEqual([200, 200, 200]);
    await revokeToken(admin, revoked.token);
    await waitFor(
      async () => (await statuses()).every((status) => status === 401),
      'every service to refuse it',
    );
    expect((await session.call('compute', 'GET', '/servers')).status).toBe(200);
  });

  test('a token that is good for some seconds only', async () => {
    const brief = await signIn(cloud, cloud.user, { authUrl: cloud.shortAuthUrl });
    const lives = brief.expires.getTime() - Date.now();
    expect(lives).toBeGreaterThan(0);
    expect(lives).toBeLessThanOrEqual(cloud.shortTokenSeconds * 1000);
    expect((await brief.call('compute', 'GET', '/servers')).status).toBe(200);
    const expired = async () => (await brief.call('compute', 'GET', '/servers')).status === 401;
    await waitFor(expired, 'the token to expire', lives + 5000);
  });

  test('a server of another user in the same project', async () => {
    const other = await signIn(cloud, cloud.other);
    const theirs = await createServer(cloud, other, { name: 'theirs', flavor: 'fake.tiny' });
    const server = await untilStatus(session, theirs, 'ACTIVE');
    expect(other.project).toBe(session.project);
    expect(server.user_id).toBe(other.userId);
    expect(server.user_id).not.toBe(session.userId);
    await deleteServer(other, theirs);
  });

  test('a server that is stopped, and deleted, by an administrator', async () => {
    const id = await createServer(cloud, session, { flavor: 'fake.tiny' });
    await untilStatus(session, id, 'ACTIVE');
    await act(admin, id, 'os-stop');
    await untilStatus(session, id, 'SHUTOFF');
    await admin.ask('compute', 'DELETE', `/servers/${id}`);
    await untilGone(session, id);
  });
});

describeOpenStack('guests that never answer SSH', ['qemu'], (cloud) => {
  let session: Session;
  let key: Key;
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    key = await makeKey(session, 'faults');
  });
  afterAll(async () => {
    await key?.remove();
    await clear(session);
  });

  test.each([
    { why: 'nothing listens', wish: { userData: deaf }, says: /refused/ },
    { why: 'its security group lets nobody in', wish: { securityGroup: closedGroup }, says: /timed out/ },
  ])('$why', async ({ wish, says }) => {
    const id = await createServer(cloud, session, { flavor: 'm1.tiny', key: key.name, ...wish });
    await untilStatus(session, id, 'ACTIVE');
    const address = await addFloatingIp(cloud, session, id);
    await untilConsole(session, id, /started after/);
    await waitFor(
      () =>
        ssh(address, key, 'true').then(
          () => false,
          (error: Error) => says.test(error.message),
        ),
      `a connection that is ${says}`,
    );
    await deleteServer(session, id);
  });

  test('a guest that is stopped behind our back, and one that crashes', async () => {
    const admin = await signIn(cloud, cloud.admin, { project: 'admin' });
    const id = await createServer(cloud, session, { flavor: 'm1.tiny', key: key.name });
    await untilStatus(session, id, 'ACTIVE');
    await untilConsole(session, id, /started after/);
    await act(admin, id, 'os-stop');
    await untilStatus(session, id, 'SHUTOFF');
    await act(admin, id, 'os-start');
    await untilStatus(session, id, 'ACTIVE');
    await crash(cloud, admin, id);
    await untilStatus(session, id, 'SHUTOFF');
    await deleteServer(session, id);
  });
});
