import { expect, test } from 'vitest';
import { heatOptions, novaOptions, orderOf } from '../../../src/drivers/connectors/settings.js';
import type { HeatFile } from '../../../src/lib/generated/config/heat.js';
import type { NovaFile } from '../../../src/lib/generated/config/nova.js';
import { validator } from '../../../src/lib/schemas.js';

function filled<T>(name: 'nova' | 'heat', content: object): T {
  expect(validator(`config/${name}`, { useDefaults: true })(content)).toEqual([]);
  return content as T;
}

test('a nova.yaml with the keys that it always had', () => {
  const file = filled<NovaFile>('nova', {
    MAX_CONNECTION_RETRIES: 200,
    CONNECTION_RETRY_INTERVAL: 10,
    FLAVOR: 2,
    IMAGE_ID: '983a527f-6afe-4245-8393-05c43480db53',
    AUTH_KEYNAME: 'lab',
    SECURITY_GROUP: 'ssh',
    USE_FLOATING_IP: true,
    IP_POOL: 'public',
    NETWORK_ID: null,
    CREDENTIALS_FILE: 'openrc.sh',
  });
  expect(novaOptions(file, '/etc/penstock')).toEqual({
    credentials: { openrc: '/etc/penstock/openrc.sh' },
    region: null,
    interface: null,
    connectTimeout: 20_000,
    requestTimeout: 30_000,
    retries: 3,
  });
  expect(orderOf(file)).toEqual({
    image: '983a527f-6afe-4245-8393-05c43480db53',
    flavor: '2',
    keyName: 'lab',
    networks: [],
    securityGroups: ['ssh'],
    userData: null,
    floatingIp: 'public',
    more: {},
  });
});

test('a cloud of a clouds.yaml, lists, any pool, and another region', () => {
  const file = filled<NovaFile>('nova', {
    CLOUD: 'lab',
    CLOUDS_FILE: '/home/ada/clouds.yaml',
    REGION: 'Two',
    INTERFACE: 'internal',
    NETWORK_ID: ['a', 'b'],
    SECURITY_GROUP: ['c', 'd'],
    USE_FLOATING_IP: true,
  });
  expect(novaOptions(file, '/etc/penstock')).toMatchObject({
    credentials: { cloud: 'lab', file: '/home/ada/clouds.yaml' },
    region: 'Two',
    interface: 'internal',
  });
  expect(orderOf(file)).toMatchObject({ networks: ['a', 'b'], securityGroups: ['c', 'd'], floatingIp: true });
});

test('a heat.yaml', () => {
  const file = filled<HeatFile>('heat', {
    CLOUD: 'lab',
    TEMPLATE_FILE: 'server.yaml',
    PARAMETERS: { note: 'x' },
  });
  expect(heatOptions(file, '/etc/penstock')).toMatchObject({
    credentials: { cloud: 'lab', file: null },
    templateFile: '/etc/penstock/server.yaml',
    addressOutput: 'address',
    createTimeout: 60,
  });
  expect(orderOf(file)).toMatchObject({ more: { note: 'x' }, floatingIp: false });
});

test.each([
  [{}, 'nova.yaml: no login for the cloud: set CREDENTIALS_FILE or CLOUD'],
  [{ CLOUD: 'a', CREDENTIALS_FILE: 'b' }, 'set CREDENTIALS_FILE or CLOUD, not both'],
])('%j has not one login', (content, message) => {
  expect(() => novaOptions(filled<NovaFile>('nova', content), '/')).toThrow(message);
});

test('a misspelt key is told of', () => {
  const [problem] = validator('config/nova', { useDefaults: true })({ CREDENTIAL_FILE: 'x' });
  expect(problem?.detail).toContain('CREDENTIALS_FILE');
});
