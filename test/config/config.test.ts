import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.js';
import { atPace } from '../support/pace.js';
import { main } from '../support/paths.js';
import { startServer } from '../support/server.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-config-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
function folder(files: Record<string, string>): string {
  folders += 1;
  const made = path.join(root, String(folders));
  mkdirSync(made);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(made, name), text);
  return made;
}

describe('what wins', () => {
  const config = folder({ 'application.yaml': 'PORT: 1111\nHOST: 10.0.0.1\n' });
  test('flags, then the environment, then the files, then the defaults', () => {
    const env = { PENSTOCK_PORT: '2222', PENSTOCK_HOST: '10.0.0.2', PENSTOCK_CONFIG: config };
    expect(loadConfig({ port: '3333' }, env)).toMatchObject({ port: 3333, host: '10.0.0.2' });
    expect(loadConfig({}, { PENSTOCK_CONFIG: config })).toMatchObject({ port: 1111, host: '10.0.0.1' });
    expect(loadConfig({}, {})).toMatchObject({ port: 8100, host: '127.0.0.1' });
    expect(Object.isFrozen(loadConfig({}, {}))).toBe(true);
  });
});

test('files that are named start from the config folder, or from the home', () => {
  const config = folder({
    'application.yaml': 'LOCAL_SCRIPTS_FOLDER: scripts',
    'nova.yaml': 'CLOUD: lab',
    'clouds.yaml': 'clouds: {lab: {}}',
    'secure.yaml': '',
    'heat.yaml': 'CREDENTIALS_FILE: ~/openrc\nTEMPLATE_FILE: server.yaml',
    'server.yaml': '',
    'ssh.yaml': 'AUTH_KEYFILE: key\nMACHINES: [{NAME: a, ADDRESS: b, AUTH_KEYFILE: key}]',
    key: '',
  });
  const key = path.join(config, 'key');
  expect(loadConfig({ config }, {}).cloud).toMatchObject({
    application: { LOCAL_SCRIPTS_FOLDER: path.join(config, 'scripts') },
    nova: { CREDENTIALS_FILE: null, CLOUDS_FILE: path.join(config, 'clouds.yaml') },
    heat: {
      CREDENTIALS_FILE: path.join(os.homedir(), 'openrc'),
      CLOUDS_FILE: null,
      TEMPLATE_FILE: path.join(config, 'server.yaml'),
    },
    ssh: { AUTH_KEYFILE: key, MACHINES: [{ AUTH_KEYFILE: key }] },
  });
});

describe('mistakes stop the start', () => {
  test.each([
    "'amqp://a:s3cret@ho st'",
    'http://a:s3cret@h',
    'amqp://a:s3/c@s3cret@h h',
    "'amqp://a:s3cret@h",
    '[amqp://a:s3cret@h',
    'x: amqp://a:s3cret@h',
  ])('a wrong URL is told without its login: %s', (url) => {
    const config = folder({ 'streams.yaml': `amqp_url: ${url}\n` });
    expect(() => loadConfig({ config }, {})).toThrow(/^(?!.*s3cret)/s);
  });

  test.each<[string, Record<string, string>, Record<string, string>, RegExp]>([
    ['an unknown key', { 'application.yaml': 'PROT: 1' }, {}, /PROT.*did you mean "PORT"/],
    ['a wrong type', { 'application.yaml': 'PORT: x' }, {}, /PORT.*must be/],
    ['a wrong size', { 'application.yaml': 'MAX_INPUT_SIZE: 5 lots' }, {}, /MAX_INPUT_SIZE.*not a size/],
    ['an unknown file', { 'aplication.yaml': '' }, {}, /Did you mean application.yaml/],
    [
      'a template that nobody names',
      { 'heat.yaml': 'CLOUD: lab', 'server.yaml': '' },
      {},
      /Penstock does not read .*server.yaml/,
    ],
    [
      'a key that is not there',
      { 'ssh.yaml': 'AUTH_KEYFILE: ~/no/key' },
      {},
      /the key file \/.*\/no\/key does not exist/,
    ],
    ['broken YAML', { 'application.yaml': 'a: [' }, {}, /application.yaml/],
    ['half of TLS', { 'application.yaml': 'TLS_KEY: x' }, {}, /TLS_CERTIFICATE/],
    ['an unknown variable', {}, { PENSTOCK_PROT: '1' }, /PENSTOCK_PORT/],
    ['a wrong port', {}, { PENSTOCK_PORT: '70000' }, /PENSTOCK_PORT.*not a port/],
    ['an empty password', {}, { PENSTOCK_ADMIN_PASSWORD: '' }, /empty/],
    ['another database', {}, { PENSTOCK_DATABASE_URL: 'mysql://u:p@h/d' }, /SQLite/],
    ['a line break in the data folder', {}, { PENSTOCK_DATA: '/tmp/a\nb' }, /line break/],
    ['a wrong log level', {}, { PENSTOCK_LOG_LEVEL: 'loud' }, /loud/],
  ])('%s', (_name, files, env, words) => {
    expect(() => loadConfig({ config: folder(files) }, env)).toThrow(words);
  });
});

test('variables that the client and the programs of jobs have are no misspelt ones', () => {
  const env = { PENSTOCK_JOB_TOKEN: 't', PENSTOCK_JOB_UUID: 'u', PENSTOCK_MESSAGE_ID: 'm' };
  expect(() => loadConfig({}, env)).not.toThrow();
});

test('TLS; a second server on the folder and on the port is refused with the reason', async () => {
  const [certificate, key] = [path.join(root, 'cert.pem'), path.join(root, 'key.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=localhost',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
    { stdio: 'ignore' },
  );
  const server = await startServer({ application: { TLS_CERTIFICATE: certificate, TLS_KEY: key } });
  try {
    expect(server.url).toMatch(/^https:/);
    const status = await new Promise((resolve, reject) => {
      https
        .get(`${server.url}/healthz`, { rejectUnauthorized: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
        .on('error', reject);
    });
    expect(status).toBe(200);
    const again = (data: string) =>
      spawnSync(process.execPath, [main, 'serve', '--data', data, '--port', new URL(server.url).port], {
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: root },
        timeout: atPace(20_000),
      });
    const sameFolder = again(server.data);
    expect([sameFolder.status === 0, sameFolder.stderr]).toEqual([
      false,
      expect.stringContaining('another server is running'),
    ]);
    const samePort = again(path.join(root, 'other'));
    expect([samePort.status === 0, samePort.stderr]).toEqual([false, expect.stringContaining('is in use')]);
  } finally {
    await server.remove();
  }
});
