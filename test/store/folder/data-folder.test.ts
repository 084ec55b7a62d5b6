import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { startServer } from '../../support/server.js';

const isRoot = process.getuid?.() === 0;
const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-data-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const mode = (place: string) => statSync(place).mode & 0o777;
/** A command of ours that must not go on, and what it says. */
function refusal(args: string[], as: { uid: number; gid: number } | object = {}): string {
  const run = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: atPace(30_000),
    env: { PATH: '/usr/bin:/bin', HOME: root },
    ...as,
  });
  expect(run.status).toBe(1);
  return run.stderr;
}
const serve = (data: string, as?: { uid: number; gid: number }) =>
  refusal(['serve', '--port', '0', '--data', data], as);

/** Everything below a folder that somebody else than its owner may do something with. */
const open = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((place) => (mode(place) & 0o077) !== 0);

test('a folder and files that others could read are closed by the next start; programs keep their umask', async () => {
  const server = await startServer();
  try {
    const shell = { exec: '/bin/sh', argv: ['-c', 'umask; touch made; stat -c %a made'] };
    const id = await server.register(shell);
    await server.fetch('/api/stream/', { json: { name: 'kept', durable: true } });
    await server.stop();
    // As systemd makes it, and as an older version and a careless copy left the rest.
    chmodSync(server.data, 0o755);
    for (const name of readdirSync(server.data)) chmodSync(path.join(server.data, name), 0o775);
    await server.restart();
    expect(mode(server.data)).toBe(0o700);
    expect(readdirSync(server.data)).toContain('penstock.sqlite-wal');
    expect(open(server.data)).toEqual([]);

    const umask = process.umask(0o077);
    process.umask(umask);
    const answer = await server.fetch(`/api/process_definition/${id}/run/?wait=20&output=raw`, {
      method: 'POST',
    });
    const modeOfFile = (0o666 & ~umask).toString(8);
    expect(await answer.text()).toBe(`${umask.toString(8).padStart(4, '0')}\n${modeOfFile}\n`);
  } finally {
    await server.remove();
  }
});

test('a database elsewhere is closed, too, but not the folder that it is in', async () => {
  const elsewhere = path.join(root, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o755 });
  chmodSync(elsewhere, 0o755);
  const file = path.join(elsewhere, 'jobs.db');
  writeFileSync(file, '', { mode: 0o644 });
  const server = await startServer({ environment: { PENSTOCK_DATABASE_URL: `file:${file}` } });
  try {
    expect(mode(elsewhere)).toBe(0o755);
    for (const name of readdirSync(elsewhere))
      expect([name, mode(path.join(elsewhere, name))]).toEqual([name, 0o600]);
  } finally {
    await server.remove();
  }
});

test('a backup is for its owner only, whatever the umask is, also in place of an older one', async () => {
  const server = await startServer();
  try {
    await server.fetch('/api/subscription/', { json: { url: 'https://example.org/hook' } });
    const target = path.join(root, 'copy.sqlite');
    for (const name of [target, `${target}.webhook-key`]) writeFileSync(name, 'older', { mode: 0o644 });
    const run = spawnSync(
      '/bin/sh',
      [
        '-c',
        'umask 022; exec "$@"',
        'sh',
        process.execPath,
        main,
        'backup',
        target,
        '--force',
        '--data',
        server.data,
      ],
      { encoding: 'utf8' },
    );
    expect(run.stderr).toContain('penstock: copied ');
    for (const name of [target, `${target}.webhook-key`]) expect([name, mode(name)]).toEqual([name, 0o600]);
  } finally {
    await server.remove();
  }
});

test("somebody else's folder is never closed: it is refused, and says what to name instead", () => {
  const shared = path.join(root, 'shared');
  mkdirSync(path.join(shared, 'of-another-program'), { recursive: true });
  chmodSync(shared, 0o755);
  expect(serve(shared)).toContain(`--data ${path.join(shared, 'penstock')}`);
  expect(mode(shared)).toBe(0o755);
  expect(readdirSync(shared)).toEqual(['of-another-program']);
});

test('a folder that cannot be one is named, with what to do', () => {
  const file = path.join(root, 'notes.txt');
  writeFileSync(file, 'x');
  expect(serve(file)).toMatch(/notes\.txt is a file. Name a folder with --data/);
  expect(serve(path.join(file, 'below'))).toMatch(/cannot be created: something on the way to it is a file/);
  expect(serve('/proc/penstock/data')).toMatch(/cannot be created: no folders can be created there.*--data/s);
});

test.skipIf(!isRoot)('a folder of another user is refused, with the command that gives it over', () => {
  // Who is not root has to get there.
  chmodSync(root, 0o755);
  const nobody = { uid: 65534, gid: 65534 };
  const theirs = path.join(root, 'theirs');
  mkdirSync(theirs);
  chmodSync(theirs, 0o777);
  expect(serve(theirs, nobody)).toMatch(/mode 0777.*permission denied.*chown 65534 .*theirs && chmod 700/s);
  const closed = path.join(root, 'closed');
  mkdirSync(closed, { mode: 0o755 });
  expect(serve(closed, nobody)).toMatch(/closed cannot be written to: permission denied/);
  expect(serve(path.join(closed, 'new'), nobody)).toMatch(/closed\/new cannot be created: permission denied/);
  chownSync(closed, nobody.uid, nobody.gid);
  expect(existsSync(path.join(closed, 'penstock.sqlite'))).toBe(false);
});

test('the doctor tells of files that others can read', async () => {
  const server = await startServer();
  try {
    await server.stop();
    const examine = () => {
      const { stdout } = spawnSync(process.execPath, [main, 'doctor', '--json', '--data', server.data], {
        encoding: 'utf8',
        env: { PATH: '/usr/bin:/bin', HOME: root },
      });
      const all = JSON.parse(stdout) as { check: string; state: string; detail: string; mend: string }[];
      return all.find(({ check }) => check === 'data folder privacy');
    };
    expect(examine()).toMatchObject({ state: 'ok' });
    chmodSync(path.join(server.data, 'webhook-key'), 0o640);
    expect(examine()).toMatchObject({
      state: 'wrong',
      detail: expect.stringContaining('webhook-key has mode 0640'),
    });
    chmodSync(server.data, 0o750);
    expect(examine()?.detail).toContain(`${server.data} has mode 0750`);
    expect(examine()?.mend).toContain(`chmod 700 ${server.data}`);
  } finally {
    await server.remove();
  }
});
