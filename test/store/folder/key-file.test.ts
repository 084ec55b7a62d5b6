import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryStream } from '../../../src/drivers/streams/memory.js';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';

const json = { url: 'https://example.org/hook' };

let server: TestServer;
let key: string;
let secret: string;
beforeAll(async () => {
  server = await startServer();
  key = path.join(server.data, 'webhook-key');
  secret = (await ask(server, '/api/subscription/', { json })).json.secret;
});
afterAll(() => server.remove());

const mode = (file: string) => statSync(file).mode & 0o777;
const secretNow = async () => (await ask(server, '/api/subscription/1/secret/')).json.secret;
/** Starts it where it must not start, and gives what it says. */
function refusal(): string {
  const run = spawnSync(process.execPath, [main, 'serve', '--data', server.data, '--port', '0'], {
    encoding: 'utf8',
    timeout: atPace(20_000),
  });
  expect(run.status).toBe(1);
  return run.stderr;
}

test('the key is its owner’s only, and kept over restarts', async () => {
  expect(mode(key)).toBe(0o600);
  expect(readFileSync(key)).toHaveLength(32);
  await server.stop();
  await server.restart();
  expect(await secretNow()).toBe(secret);
  expect(server.log()).not.toContain(readFileSync(key).toString('base64'));
});

test('a backup has a copy of it, its owner’s only, also over an older one that was not', () => {
  const file = path.join(server.data, 'copy.sqlite');
  const backup = (...more: string[]) =>
    execFileSync(process.execPath, [main, 'backup', file, '--data', server.data, ...more], { stdio: 'pipe' });
  expect(existsSync(`${file}.streams`)).toBe(false);
  backup();
  expect(readFileSync(`${file}.webhook-key`)).toEqual(readFileSync(key));
  expect(mode(`${file}.webhook-key`)).toBe(0o600);
  chmodSync(`${file}.webhook-key`, 0o644);
  writeFileSync(`${file}.webhook-key`, 'old');
  backup('--force');
  expect(readFileSync(`${file}.webhook-key`)).toEqual(readFileSync(key));
  expect(mode(`${file}.webhook-key`)).toBe(0o600);
});

test('a backup has what waits on durable streams', async () => {
  const stream = memoryStream({
    file: path.join(server.data, 'streams.sqlite'),
    settings: () => ({ durable: true, maxMessages: 10 }),
    maxBytes: 1000,
  });
  await (await stream.subscribe('s', { queue: 'q', prefetch: 1, onMessage: () => undefined })).close();
  await stream.publish('s', { id: '1', contentType: 'text/plain', headers: {}, body: Buffer.from('kept') });
  const file = path.join(server.data, 'copy.sqlite');
  execFileSync(process.execPath, [main, 'backup', file, '--data', server.data, '--force'], { stdio: 'pipe' });
  await stream.close();
  const copy = new Database(`${file}.streams`, { readonly: true });
  expect(copy.prepare('SELECT body FROM message').pluck().all()).toEqual([Buffer.from('kept')]);
  copy.close();
});

test('a damaged key stops the start, and says what to do', async () => {
  const good = readFileSync(key);
  await server.stop();
  writeFileSync(key, good.subarray(0, 31));
  const said = refusal();
  expect(said).toMatch(/webhook-key is not a key of 32 bytes\. Put the file from a backup in its place/);
  expect(said).not.toMatch(/\n\s+at /);
  expect(readFileSync(key)).toEqual(good.subarray(0, 31));
  writeFileSync(key, good);
  await server.restart();
  expect(await secretNow()).toBe(secret);
});

test('half of a key from a start that was cut off is no key', async () => {
  await server.stop();
  writeFileSync(`${key}.partial`, 'half', { mode: 0o644 });
  rmSync(key);
  await server.restart();
  expect(existsSync(`${key}.partial`)).toBe(false);
  expect(mode(key)).toBe(0o600);
});

test('a key that is missing where there are subscriptions is made anew, with a warning', async () => {
  expect(await secretNow()).not.toBe(secret);
  expect(server.log()).toMatch(/"level":40.*webhook-key.*was missing.*secrets/);
});
