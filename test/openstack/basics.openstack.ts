import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../support/wait-for.js';
import { describeOpenStack } from './openstack.js';
import {
  addFloatingIp,
  clear,
  createServer,
  deleteServer,
  type Key,
  makeKey,
  ssh,
  untilSsh,
  untilStatus,
} from './servers.js';
import { authenticate, idOf, type Session, signIn } from './session.js';

const took = (what: string, since: number) =>
  console.log(`${what}: ${((Date.now() - since) / 1000).toFixed(1)} s`);

describeOpenStack('the API', [], (cloud) => {
  test('lets in by password, and by no other', async () => {
    expect((await authenticate(cloud)).status).toBe(201);
    const wrong = { ...cloud.user, password: 'wrong' };
    expect((await authenticate(cloud, wrong)).status).toBe(401);
  });

  test('has the flavors, the image and the networks that openstack.json tells of', async () => {
    const session = await signIn(cloud);
    const names = async (service: 'compute' | 'image' | 'network', kind: string): Promise<string[]> =>
      (await session.ask(service, 'GET', `/${kind}`))[kind].map(({ name }: { name: string }) => name);
    expect(await names('compute', 'flavors')).toEqual(
      expect.arrayContaining(Object.values(cloud.flavors).flat()),
    );
    expect(await names('image', 'images')).toContain(cloud.image);
    expect(await names('network', 'networks')).toEqual(expect.arrayContaining(Object.values(cloud.networks)));
    expect(await idOf(session, 'network', 'security_groups', cloud.securityGroup)).not.toBe('');
  });
});

describeOpenStack('the fake compute', ['fake'], (cloud) => {
  let session: Session;
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
  });
  afterAll(() => clear(session));

  test('a server becomes ACTIVE, and is deleted', async () => {
    const since = Date.now();
    const id = await createServer(cloud, session, { flavor: 'fake.tiny', metadata: { owner: 'test' } });
    const server = await untilStatus(session, id, 'ACTIVE');
    took('fake server ACTIVE', since);
    expect(server.metadata).toEqual({ owner: 'test' });
    expect(server.addresses.private).toHaveLength(1);
    await deleteServer(session, id);
  });

  test('a server that no compute has room for is in ERROR', async () => {
    const id = await createServer(cloud, session, { flavor: 'fake.nohost' });
    const server = await untilStatus(session, id, 'ERROR');
    expect(server.fault?.message).toContain('No valid host was found');
  });
});

describeOpenStack('Heat', ['fake'], (cloud) => {
  test('makes a stack of one server, and deletes it with the server', async () => {
    const session = await signIn(cloud);
    const properties = {
      flavor: 'fake.tiny',
      image: cloud.image,
      networks: [{ network: cloud.networks.private }],
    };
    const { stack } = await session.ask('orchestration', 'POST', '/stacks', {
      stack_name: 'basics',
      template: {
        heat_template_version: '2018-08-31',
        resources: { server: { type: 'OS::Nova::Server', properties } },
      },
    });
    const path = `/stacks/basics/${stack.id}`;
    const status = async () => (await session.ask('orchestration', 'GET', path)).stack.stack_status;
    const since = Date.now();
    await waitFor(async () => (await status()) === 'CREATE_COMPLETE', 'the stack to be complete', 60_000);
    took('stack complete', since);
    expect((await session.ask('compute', 'GET', '/servers')).servers).toHaveLength(1);
    await session.ask('orchestration', 'DELETE', path);
    await waitFor(async () => (await status()) === 'DELETE_COMPLETE', 'the stack to be deleted', 60_000);
    expect((await session.ask('compute', 'GET', '/servers')).servers).toEqual([]);
  });
});

describeOpenStack('the compute of QEMU', ['qemu'], (cloud) => {
  let session: Session;
  let key: Key;
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    key = await makeKey(session, 'basics');
  });
  afterAll(async () => {
    await key?.remove();
    await clear(session);
  });

  test('a guest answers SSH at its floating IP, with our key, and has run its user-data', async () => {
    const since = Date.now();
    const userData = '#!/bin/sh\necho "run by $(id -un)" >/root/ran\n';
    const id = await createServer(cloud, session, {
      name: 'guest',
      flavor: 'm1.tiny',
      key: key.name,
      userData,
    });
    await untilStatus(session, id, 'ACTIVE');
    took('guest ACTIVE', since);
    const address = await addFloatingIp(cloud, session, id);
    expect(await untilSsh(address, key, 'hostname')).toBe('guest\n');
    took('guest answers SSH', since);
    expect(await untilSsh(address, key, 'cat /root/ran')).toBe('run by root\n');

    const deleting = Date.now();
    await deleteServer(session, id);
    took('guest deleted', deleting);
    await expect(ssh(address, key, 'true')).rejects.toThrow();
  });
});
