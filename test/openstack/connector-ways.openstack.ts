import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Connector } from '../../src/drivers/connectors/connector.js';
import { openStack as openSession } from '../../src/drivers/connectors/openstack/open.js';
import { untilDeleted, untilReached } from '../conformance/connector.js';
import { connectorOptions, newInstance, openHeat, openNova, orderOf } from './connectors.js';
import { describeOpenStack } from './openstack.js';
import { clear, type Key, makeKey, untilSsh } from './servers.js';
import { type Session, signIn } from './session.js';

const opened: { close(): Promise<void> }[] = [];
const keep = <T extends { close(): Promise<void> }>(one: T): T => {
  opened.push(one);
  return one;
};
const closeAll = async () => {
  for (const one of opened.splice(0)) await one.close();
};

describeOpenStack('ways into OpenStack', ['fake'], (cloud) => {
  let session: Session;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-ways-'));
  const file = (name: string, text: string) => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
  });
  afterEach(async () => {
    await closeAll();
    await clear(session);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('an openrc of the time of Keystone v2', async () => {
    const openrc = file(
      'v2.sh',
      [
        `export OS_AUTH_URL=${cloud.authUrl.replace('/v3', '/v2.0')}`,
        `export OS_TENANT_NAME="${cloud.project}"`,
        `export OS_USERNAME=${cloud.user.username}`,
        `export OS_PASSWORD='${cloud.user.password}'`,
      ].join('\n'),
    );
    expect(await keep(openNova(cloud, newInstance(), { credentials: { openrc } })).list()).toEqual([]);
  });

  test('an application credential, by its id and by its name', async () => {
    const name = `penstock-${newInstance()}`;
    const { application_credential: made } = await session.ask(
      'identity',
      'POST',
      `/users/${session.userId}/application_credentials`,
      { application_credential: { name } },
    );
    try {
      const clouds = {
        byId: { application_credential_id: made.id },
        byName: {
          application_credential_name: name,
          username: cloud.user.username,
          user_domain_id: 'default',
        },
      };
      const text = Object.entries(clouds).map(([key, auth]) => [
        key,
        {
          auth_type: 'v3applicationcredential',
          auth: { auth_url: cloud.authUrl, application_credential_secret: made.secret, ...auth },
        },
      ]);
      const at = file('clouds.yaml', JSON.stringify({ clouds: Object.fromEntries(text) }));
      for (const each of Object.keys(clouds)) {
        const credentials = { cloud: each, file: at };
        expect(await keep(openNova(cloud, newInstance(), { credentials })).list()).toEqual([]);
      }
    } finally {
      await session.ask('identity', 'DELETE', `/users/${session.userId}/application_credentials/${made.id}`);
    }
  });

  test('a region, an interface or a service that is not there is refused, and what there is is told', async () => {
    await expect(keep(openNova(cloud, newInstance(), { region: 'RegionTwo' })).list()).rejects.toMatchObject({
      problem: 'refused',
      message: expect.stringMatching(/region RegionTwo: is RegionOne meant\?/),
    });
    const odd = keep(openSession({ ...connectorOptions(cloud), interface: 'private' as 'public' }));
    await expect(odd.all('compute', '/servers', 'servers')).rejects.toThrow('it has admin, internal, public');
    const none = keep(openSession(connectorOptions(cloud)));
    await expect(none.all('volumev3' as 'compute', '/volumes', 'volumes')).rejects.toThrow(
      /no volumev3 service; it has .*compute, .*network/,
    );
  });

  test('lists are read page by page', async () => {
    const connector = keep(openNova(cloud, newInstance()));
    await Promise.all(['a', 'b', 'c'].map((name) => connector.create(orderOf(cloud, name))));
    const paged = keep(openSession(connectorOptions(cloud)));
    for (const [service, list] of [
      ['compute', 'servers'],
      ['compute', 'flavors'],
      ['network', 'networks'],
      ['image', 'images'],
    ] as const) {
      const whole = await paged.all(service, `/${list}`, list);
      const pages = await paged.all(service, `/${list}`, list, { limit: '1' });
      const ids = (entries: unknown[]) => entries.map((each) => (each as { id: string }).id).sort();
      expect(whole.length, list).toBeGreaterThan(0);
      expect(ids(pages), list).toEqual(ids(whole));
    }
  });

  test("a template of the user's: it is given what it declares, and asked for its own output", async () => {
    const templateFile = file(
      'template.yaml',
      `heat_template_version: 2018-08-31
parameters:
  name: { type: string }
  image: { type: string }
  flavor: { type: string }
  network: { type: string }
  note: { type: string }
  size: { type: number, default: 3 }
resources:
  machine:
    type: OS::Nova::Server
    properties:
      name: { get_param: name }
      image: { get_param: image }
      flavor: { get_param: flavor }
      metadata: { note: { get_param: note } }
      networks: [{ network: { get_param: network } }]
outputs:
  machine_address: { value: { get_attr: [machine, first_address] } }
`,
    );
    const instance = newInstance();
    expect(() => openHeat(cloud, instance, { templateFile })).toThrow(
      /no output address.*it has machine_address/,
    );
    const connector = keep(openHeat(cloud, instance, { templateFile, addressOutput: 'machine_address' }));
    await expect(connector.create(orderOf(cloud, 'a'))).rejects.toMatchObject({
      problem: 'refused',
      message: expect.stringContaining('no value for note'),
    });
    const order = orderOf(cloud, 'a', { more: { note: 'well' } });
    const server = { name: 'a', id: await connector.create(order) };
    expect(await untilReached(connector, server, order)).toMatchObject({
      by: 'ssh',
      address: expect.stringMatching(/^10\.20\.0\./),
    });
    const { servers } = await session.ask('compute', 'GET', '/servers/detail');
    expect(servers).toMatchObject([{ name: 'a', metadata: { note: 'well' } }]);
    await untilDeleted(connector, server);
  });
});

describeOpenStack('guests by connectors of OpenStack', ['qemu'], (cloud) => {
  let session: Session;
  let key: Key;
  const userData = '#!/bin/sh\necho "run by $(id -un)" >/root/ran\n';
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    key = await makeKey(session, 'connectors');
  });
  afterAll(async () => {
    await closeAll();
    await clear(session);
    await key?.remove();
  });

  test.each([
    ['nova', openNova],
    ['heat', openHeat],
  ] as const)('%s: a guest answers SSH where it is said to be reached, with our key, and has run its user data', async (kind, open) => {
    const connector: Connector = keep(open(cloud, newInstance()));
    const order = orderOf(cloud, `guest-${kind}`, {
      flavor: 'm1.tiny',
      keyName: key.name,
      floatingIp: cloud.networks.public,
      userData,
    });
    const server = { name: order.name, id: await connector.create(order) };
    const reach = await untilReached(connector, server, order);
    if (reach.by !== 'ssh') throw new Error('not by SSH');
    expect(reach.address).toMatch(/^198\.51\.100\./);
    expect(await untilSsh(reach.address, key, 'hostname')).toBe(`${order.name}\n`);
    expect(await untilSsh(reach.address, key, 'cat /root/ran')).toBe('run by root\n');
    await untilDeleted(connector, server);
    expect((await session.ask('network', 'GET', '/floatingips')).floatingips).toEqual([]);
    expect((await session.ask('compute', 'GET', '/servers')).servers).toEqual([]);
  });
});
