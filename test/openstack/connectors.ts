import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Connector, ServerOrder } from '../../src/drivers/connectors/connector.js';
import { type HeatOptions, heatConnector } from '../../src/drivers/connectors/heat.js';
import { novaConnector } from '../../src/drivers/connectors/nova.js';
import type { OpenStackOptions } from '../../src/drivers/connectors/openstack/open.js';
import type { Login, OpenStack } from './openstack.js';

/** How a connector comes to the cloud of the tests: by its openrc file, unless credentials are given. */
export const connectorOptions = (
  cloud: OpenStack,
  more: Partial<OpenStackOptions> = {},
): OpenStackOptions => ({
  credentials: { openrc: cloud.openrc },
  region: null,
  interface: null,
  connectTimeout: 5000,
  requestTimeout: 30_000,
  retries: 3,
  ...more,
});

export const newInstance = () => randomBytes(8).toString('hex');

export function openNova(cloud: OpenStack, instance: string, more?: Partial<OpenStackOptions>): Connector {
  return novaConnector(connectorOptions(cloud, more), { instance });
}

export function openHeat(cloud: OpenStack, instance: string, more: Partial<HeatOptions> = {}): Connector {
  const own = { templateFile: null, addressOutput: 'address', createTimeout: 10 };
  return heatConnector({ ...own, ...connectorOptions(cloud), ...more }, { instance });
}

/** A server on the fake compute, without a floating IP unless it says. */
export const orderOf = (cloud: OpenStack, name: string, more: Partial<ServerOrder> = {}): ServerOrder => ({
  name,
  image: cloud.image,
  flavor: 'fake.tiny',
  keyName: null,
  networks: [cloud.networks.private],
  securityGroups: [cloud.securityGroup],
  userData: null,
  floatingIp: false,
  more: {},
  ...more,
});

/** A clouds.yaml with one cloud in it, and its password in a secure.yaml beside it. */
export function cloudsFile(
  cloud: OpenStack,
  { login = cloud.user, authUrl = cloud.authUrl }: { login?: Login; authUrl?: string } = {},
): { credentials: OpenStackOptions['credentials']; remove(): void } {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-clouds-'));
  const file = path.join(folder, 'clouds.yaml');
  const auth = { auth_url: authUrl, username: login.username, project_name: cloud.project };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ clouds: { tested: { auth, region_name: cloud.region } } }));
  const secret = { clouds: { tested: { auth: { password: login.password } } } };
  writeFileSync(path.join(folder, 'secure.yaml'), JSON.stringify(secret), { mode: 0o600 });
  return {
    credentials: { cloud: 'tested', file },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
