import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { main } from '../../support/paths.js';

const password = 'a s3cret of the cloud';

/** A cloud as far as its answers go, at the wire: Keystone, and every service at the same address. */
const lists: Record<string, object> = {
  '/v2/images': { images: [{ id: 'i1', name: 'debian-12' }] },
  '/v2.1/flavors': { flavors: [{ id: '2', name: 'm1.small' }] },
  '/v2.1/os-keypairs': { keypairs: [{ keypair: { name: 'our-key' } }] },
  '/v2.0/networks': {
    networks: [
      { id: 'n1', name: 'internal', project_id: 'p1' },
      { id: 'n2', name: 'public', 'router:external': true },
    ],
  },
  '/v2.0/security-groups': { security_groups: [{ id: 's1', name: 'ssh', project_id: 'p1' }] },
  '/v2.1/limits': { limits: { rate: [], absolute: { maxTotalInstances: 10, totalInstancesUsed: 3 } } },
  '/v1/p1/stacks': { stacks: [] },
};
/** A path that is never answered. */
let silent = '';
let url = '';
const server = http.createServer((request, response) => {
  request.resume().on('end', () => {
    const { pathname } = new URL(request.url ?? '', url);
    const say = (status: number, body: object, headers = {}) =>
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(body));
    if (pathname === silent) return;
    if (pathname !== '/v3/auth/tokens') return void say(pathname in lists ? 200 : 404, lists[pathname] ?? {});
    const types = { compute: '/v2.1', network: '/v2.0', image: '/v2', orchestration: '/v1/p1' };
    const catalog = Object.entries(types).map(([type, place]) => ({
      type,
      endpoints: [{ interface: 'public', region: 'One', url: `${url}${place}` }],
    }));
    const times = { issued_at: '2030-01-01T00:00:00Z', expires_at: '2030-01-01T01:00:00Z' };
    say(201, { token: { ...times, project: { id: 'p1' }, catalog } }, { 'x-subject-token': 't' });
  });
});
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'penstock-doctor-'));
  mkdirSync(path.join(home, 'config'));
  mkdirSync(path.join(home, 'scripts'));
  silent = '';
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const whole = {
  CREDENTIALS_FILE: 'openrc',
  IMAGE_ID: 'debian-12',
  FLAVOR: 2,
  AUTH_KEYNAME: 'our-key',
  NETWORK_ID: ['internal'],
  SECURITY_GROUP: 'ssh',
  USE_FLOATING_IP: true,
};

/** What the doctor says of the cloud, with these files: each check with its state. */
async function examine(files: Record<string, object>, authUrl = `${url}/v3`) {
  for (const [name, keys] of Object.entries(files))
    writeFileSync(path.join(home, 'config', name), stringify(keys));
  const variables = { AUTH_URL: authUrl, USERNAME: 'ada', PASSWORD: password, PROJECT_NAME: 'p' };
  const lines = Object.entries(variables).map(([name, value]) => `export OS_${name}='${value}'\n`);
  writeFileSync(path.join(home, 'config', 'openrc'), lines.join(''));
  const config = ['--config', path.join(home, 'config'), '--data', path.join(home, 'data')];
  const child = spawn(process.execPath, [main, 'doctor', '--json', ...config], {
    env: { PATH: process.env.PATH, HOME: home },
  });
  let text = '';
  child.stdout.on('data', (piece: Buffer) => {
    text += piece.toString();
  });
  child.stderr.resume();
  const [status] = (await once(child, 'close')) as [number];
  expect(text).not.toContain(password);
  const all = JSON.parse(text) as { check: string; state: string; detail: string; mend?: string }[];
  const ours = all.filter(({ check }) => /^(cloud of|nova:|heat:|scripts of)/.test(check));
  return {
    status,
    states: Object.fromEntries(ours.map(({ check, state }) => [check, state])),
    told: Object.fromEntries(ours.map(({ check, detail, mend }) => [check, `${detail} → ${mend}`])),
  };
}

test('with no cloud there is nothing to tell', async () => {
  expect((await examine({})).states).toEqual({});
});

test('a cloud that has all that the files name is well', async () => {
  const { states, told, status } = await examine({
    'application.yaml': { LOCAL_SCRIPTS_FOLDER: path.join(home, 'scripts'), MAX_SERVERS: 5 },
    'nova.yaml': whole,
    'heat.yaml': { CREDENTIALS_FILE: 'openrc', IMAGE_ID: 'i1', FLAVOR: 'm1.small' },
  });
  expect([...new Set(Object.values(states))]).toEqual(['ok']);
  expect(Object.keys(states)).toEqual([
    'scripts of tasks',
    'cloud of nova.yaml',
    ...['image', 'flavor', 'key pair', 'network', 'security group', 'floating IPs', 'quota'].map(
      (one) => `nova: ${one}`,
    ),
    'cloud of heat.yaml',
    ...['image', 'flavor', 'stacks', 'quota'].map((one) => `heat: ${one}`),
  ]);
  expect(told['nova: quota']).toContain('3 of 10 servers used');
  expect(status).toBe(0);
});

test('what is not there is named, with what may be meant', async () => {
  const { status, states, told } = await examine({
    'application.yaml': { LOCAL_SCRIPTS_FOLDER: path.join(home, 'nowhere'), MAX_SERVERS: 20 },
    'nova.yaml': {
      CREDENTIALS_FILE: 'openrc',
      IMAGE_ID: 'debian-21',
      AUTH_KEYNAME: 'out-key',
      NETWORK_ID: 'internl',
      SECURITY_GROUP: ['ssh', 'web'],
      USE_FLOATING_IP: true,
      IP_POOL: 'internal',
    },
  });
  expect(status).toBe(1);
  expect(states).toEqual({
    'scripts of tasks': 'wrong',
    'cloud of nova.yaml': 'ok',
    'nova: image': 'wrong',
    'nova: flavor': 'note',
    'nova: key pair': 'wrong',
    'nova: network': 'wrong',
    'nova: security group': 'wrong',
    'nova: floating IPs': 'wrong',
    'nova: quota': 'note',
  });
  expect(told['nova: image']).toContain('no image debian-21: is debian-12 meant?');
  expect(told['nova: flavor']).toContain('set FLAVOR in nova.yaml');
  expect(told['nova: key pair']).toContain('is our-key meant?');
  expect(told['nova: security group']).toContain('no security group web');
  expect(told['nova: quota']).toContain('MAX_SERVERS is 20');
});

test('a cloud that is not there, or says nothing, is told before long', async () => {
  const gone = await examine({ 'nova.yaml': whole }, 'http://127.0.0.1:9/v3');
  expect(gone).toMatchObject({ status: 1, states: { 'cloud of nova.yaml': 'wrong' } });
  expect(gone.told['cloud of nova.yaml']).toMatch(
    /did not answer: .*→ check that this machine can reach the cloud/,
  );
  silent = '/v2/images';
  const hung = await examine({ 'nova.yaml': { ...whole, REQUEST_TIMEOUT: 1 } });
  expect(hung.states).toMatchObject({ 'nova: image': 'wrong', 'nova: flavor': 'ok' });
});
