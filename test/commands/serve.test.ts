import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { main } from '../support/paths.js';
import { startServer } from '../support/server.js';
import { waitFor } from '../support/wait-for.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-serve-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const env = { PATH: '/usr/bin:/bin', HOME: root };

test('a port that is taken stops the start before a password is made and shown', async () => {
  const other = net.createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const data = path.join(root, 'data');
  const args = [main, 'serve', '--data', data, '--port', String(port)];
  // Not spawnSync: nobody would answer for the port meanwhile.
  const run = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (piece) => (said += String(piece)));
  const [status] = await once(run, 'exit');
  other.close();
  expect([status, said.includes(`Port ${port} on 127.0.0.1 is in use`), /password/.test(said)]).toEqual([
    1,
    true,
    false,
  ]);
  const next = spawn(process.execPath, [main, 'serve', '--data', data, '--port', '0'], { env });
  next.stderr.on('data', (piece) => (said += String(piece)));
  await waitFor(() => /with the password \S{20}/.test(said), 'the password');
  next.kill('SIGTERM');
  await once(next, 'exit');
});

test('a limit of open files that is too low is told, with how to raise it', () => {
  const words = ['-c', 'ulimit -n 120 && exec "$@"', 'sh', process.execPath, main];
  const run = (...args: string[]) => spawnSync('/bin/sh', [...words, ...args], { encoding: 'utf8', env });
  const { status, stderr } = run('serve', '--port', '0', '--data', path.join(root, 'few'));
  expect([status, stderr]).toEqual([1, expect.stringMatching(/open only 120 files.*ulimit -n 4096/)]);
  const found = JSON.parse(run('doctor', '--json', '--data', path.join(root, 'few')).stdout);
  expect(found).toContainEqual(expect.objectContaining({ check: 'open files', state: 'wrong' }));
});

test('SIGHUP takes over what changed in the files, or nothing', async () => {
  const server = await startServer({ application: { MAX_ACTIVE_TASKS: 3 } });
  try {
    const file = path.join(server.data, 'config/application.yaml');
    const change = async (text: string, word: string) => {
      const told = server.log().split(word).length;
      writeFileSync(file, text);
      process.kill(server.pid, 'SIGHUP');
      await waitFor(() => server.log().split(word).length > told, word);
      const answer = await server.fetch('/config');
      return JSON.stringify(await answer.json());
    };
    expect(await change('MAX_ACTIVE_TASKS: 5\nPORT: 9999\n', 'configuration reloaded')).toContain(
      '"MAX_ACTIVE_TASKS":5',
    );
    expect(server.log()).toContain('"needs_restart":["PORT"]');
    const kept = await change('MAX_ACTIV_TASKS: 7\n', 'cannot reload configuration');
    expect(kept).toContain('"MAX_ACTIVE_TASKS":5');
    expect(server.log()).toContain('MAX_ACTIV_TASKS');
  } finally {
    await server.remove();
  }
});
