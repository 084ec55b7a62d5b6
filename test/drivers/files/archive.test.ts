import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { clearArchive } from '../../../src/drivers/files/archive.js';

const base = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'penstock-archive-')));
afterAll(() => rmSync(base, { recursive: true, force: true }));
const isRoot = process.geteuid?.() === 0;

let root: string;
let systems: Parameters<typeof clearArchive>[0];
let number = 0;
beforeEach(() => {
  number += 1;
  root = path.join(base, String(number));
  mkdirSync(path.join(root, 'products/v2'), { recursive: true });
  chmodSync(base, 0o755);
  systems = { here: { root, prefixes: ['/products/v2', '/sample/x'] } };
});

const at = (name: string) => path.join(root, 'products/v2', name);
const clear = (archivePath: string) => clearArchive(systems, { system: 'here', path: archivePath });
const clearIn = (name: string) => clear(`/products/v2/${name}`);
/** Nothing of ours is left beside it. */
const leftovers = () =>
  readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.penstock-'));

function fill(folder: string, files = 3): void {
  mkdirSync(folder, { recursive: true });
  for (let index = 0; index < files; index += 1) writeFileSync(path.join(folder, `file ${index}`), 'x');
}

describe('a folder is emptied', () => {
  test('with a thousand files in it, at any depth; mode and owner stay', async () => {
    for (let index = 0; index < 50; index += 1) fill(at(`job/a${index}/b/c/d`), 20);
    fill(at('other'));
    chmodSync(at('job'), 0o2751);
    if (isRoot) chownSync(at('job'), 1234, 2345);
    const before = statSync(at('job'));
    // Changing the owner takes the bit away; set it again.
    chmodSync(at('job'), 0o2751);
    expect(await clearIn('job/')).toEqual({ cleared: true, path: '/products/v2/job' });
    expect(readdirSync(at('job'))).toEqual([]);
    const after = statSync(at('job'));
    expect([after.mode & 0o7777, after.uid, after.gid]).toEqual([0o2751, before.uid, before.gid]);
    expect(after.ino).not.toBe(before.ino);
    expect(readdirSync(at('other')).length).toBe(3);
    expect(leftovers()).toEqual([]);
  });

  test('again and again, and one that is empty', async () => {
    fill(at('job'));
    for (let times = 0; times < 3; times += 1) expect((await clearIn('job')).cleared).toBe(true);
    fill(at('job'));
    const all = await Promise.all(Array.from({ length: 5 }, () => clearIn('job')));
    expect(all.every(({ cleared }) => cleared)).toBe(true);
    expect([readdirSync(at('job')), leftovers()]).toEqual([[], []]);
  });

  test('what is not there is made, as its parent is', async () => {
    if (isRoot) chownSync(at(''), 1234, 2345);
    chmodSync(at(''), 0o775);
    expect(await clearIn('a/b/c')).toEqual({ cleared: true, path: '/products/v2/a/b/c' });
    for (const name of ['a', 'a/b', 'a/b/c']) {
      const { mode, uid, gid } = statSync(at(name));
      const parent = statSync(at(''));
      expect([mode & 0o7777, uid, gid]).toEqual([0o775, parent.uid, parent.gid]);
    }
  });

  test('symbolic links in it go, what they lead to stays; odd names and read-only files go', async () => {
    fill(path.join(root, 'precious'));
    fill(at('job/inner'));
    symlinkSync(path.join(root, 'precious'), at('job/link'));
    symlinkSync('../../../../precious', at('job/inner/link'));
    symlinkSync('nowhere', at('job/broken'));
    for (const name of ['-rf', '*', ' ', 'new\nline', '…']) fill(at(`job/${name}`), 1);
    const odd = Buffer.concat([Buffer.from(`${at('job/inner')}/`), Buffer.from([0xff, 0xfe, 0x41])]);
    writeFileSync(odd, 'not UTF-8');
    mkdirSync(Buffer.concat([odd, Buffer.from('d')]));
    spawnSync('mkfifo', [at('job/fifo')]);
    chmodSync(at('job/inner/file 0'), 0o400);
    expect((await clearIn('job')).cleared).toBe(true);
    expect([readdirSync(at('job')), leftovers()]).toEqual([[], []]);
    expect(readdirSync(path.join(root, 'precious')).length).toBe(3);
  });

  test('deeper than any path may be long', async () => {
    fill(at('job'));
    const script =
      'n=0; while [ $n -lt 60 ]; do mkdir "$1" && cd "./$1" || exit 1; n=$((n+1)); done; echo x > f';
    expect(spawnSync('bash', ['-c', script, 'bash', 'd'.repeat(200)], { cwd: at('job') }).status).toBe(0);
    expect(await clearIn('job')).toMatchObject({ cleared: true });
    expect([readdirSync(at('job')), leftovers()]).toEqual([[], []]);
  });

  test('the root itself may be a link, by the word of the configuration', async () => {
    symlinkSync(root, `${root}-link`);
    fill(at('job'));
    const linked = { here: { root: `${root}-link`, prefixes: ['/products/v2'] } };
    expect((await clearArchive(linked, { system: 'here', path: '/products/v2/job' })).cleared).toBe(true);
    expect(readdirSync(at('job'))).toEqual([]);
  });

  test('what a crash left beside it goes, of this folder only', async () => {
    fill(at('job'));
    fill(at('jobs'));
    await clearIn('job');
    const { createHash } = await import('node:crypto');
    const beside = (name: string) =>
      at(`.penstock-${createHash('sha256').update(name).digest('hex').slice(0, 16)}-0011-old`);
    // As a crash between the two steps leaves it: the old one aside, and no new one.
    renameSync(at('job'), beside('job'));
    fill(beside('job'));
    fill(beside('jobs'));
    expect((await clearIn('job')).cleared).toBe(true);
    expect(readdirSync(at('job'))).toEqual([]);
    expect([existsSync(beside('job')), existsSync(beside('jobs'))]).toEqual([false, true]);
  });
});

describe('a folder is left as it is', () => {
  const precious = () => path.join(root, 'precious');
  beforeEach(() => {
    fill(precious());
    fill(path.join(precious(), 'v2/job'));
    fill(at('job'));
    writeFileSync(at('file'), 'x');
    symlinkSync(precious(), at('link'));
    symlinkSync(at('job'), at('near'));
    symlinkSync(precious(), path.join(root, 'sample'));
  });

  test.each([
    ['/products/v2', /not below a prefix/],
    ['/products/v2/../../precious', /without '\.\.'/],
    ['/precious', /not below/],
    ['', /no archive path/],
    ['products/v2/job', /absolute/],
    ['/products/v2/job\0', /absolute/],
    ['/products/v2/file', /'file' on the way is a file/],
    ['/products/v2/file/job', /'file' on the way is a file/],
    ['/products/v2/link', /'link' on the way is a symbolic link/],
    ['/products/v2/link/v2/job', /'link' on the way is a symbolic link/],
    ['/products/v2/near', /symbolic link/],
    ['/sample/x/job', /'sample' on the way is a symbolic link/],
    [`/products/v2/${'n'.repeat(300)}`, /ENAMETOOLONG/],
  ])('%j', async (archivePath, reason) => {
    const answer = await clear(archivePath);
    expect(answer).toEqual({ cleared: false, reason: expect.stringMatching(reason) });
    // Nobody is told where the system is on this machine.
    expect(JSON.stringify(answer)).not.toMatch(/\/proc|\/tmp/);
    expect(
      [precious(), path.join(precious(), 'v2/job'), at('job')].map((f) => readdirSync(f).length),
    ).toEqual([4, 3, 3]);
    expect(readFileSync(at('file'), 'utf8')).toBe('x');
    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('a system that is not configured, a root or a prefix that is not there', async () => {
    for (const system of ['there', 'constructor', '__proto__', '']) {
      const answer = await clearArchive(systems, { system, path: '/products/v2/job' });
      expect(answer).toMatchObject({ cleared: false, reason: expect.stringMatching(/cannot reach/) });
    }
    const gone = { here: { root: path.join(root, 'gone'), prefixes: ['/products/v2'] } };
    const answer = await clearArchive(gone, { system: 'here', path: '/products/v2/job' });
    expect(answer).toEqual({ cleared: false, reason: "the system's root is not here: ENOENT" });
    rmSync(path.join(root, 'sample'));
    expect(await clear('/sample/x/job')).toMatchObject({ cleared: false });
    expect(existsSync(path.join(root, 'sample'))).toBe(false);
  });

  test('a parent that may not be written to', async () => {
    await withoutRights(async () => {
      chmodSync(at(''), 0o555);
      expect(await clearIn('job')).toEqual({
        cleared: false,
        reason: 'no new folder can be made beside the old one: EACCES',
      });
      chmodSync(at(''), 0o755);
    });
    expect([readdirSync(at('job')).length, leftovers()]).toEqual([3, []]);
  });
});

/** As somebody who is not root, who owns the system's folders. */
async function withoutRights(work: () => Promise<void>): Promise<void> {
  if (!isRoot) return work();
  spawnSync('chown', ['-hR', '65534:65534', root]);
  process.setegid?.(65534);
  process.seteuid?.(65534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

test('without the rights of root: own folders that are read-only go, too', async () => {
  fill(at('job/a/b/c'));
  await withoutRights(async () => {
    for (const name of ['a/b/c', 'a/b', 'a']) chmodSync(at(`job/${name}`), 0o555);
    expect(await clearIn('job')).toMatchObject({ cleared: true });
  });
  expect([readdirSync(at('job')), leftovers()]).toEqual([[], []]);
});

test.skipIf(!isRoot)("what others' rights keep from being removed is told; the folder is empty", async () => {
  fill(at('job/a'));
  await withoutRights(async () => {
    process.seteuid?.(0);
    chownSync(at('job/a'), 0, 0);
    chmodSync(at('job/a'), 0o755);
    process.seteuid?.(65534);
    expect(await clearIn('job')).toEqual({
      cleared: false,
      reason: 'the folder is empty, but its old content cannot be removed completely: EACCES',
    });
  });
  expect(readdirSync(at('job'))).toEqual([]);
  // Once the rights are there, the next time takes it along.
  expect(await clearIn('job')).toMatchObject({ cleared: true });
  expect(leftovers()).toEqual([]);
});

const mountable = (() => {
  const [from, to] = [path.join(base, 'from'), path.join(base, 'to')];
  mkdirSync(from);
  mkdirSync(to);
  const mounted = spawnSync('mount', ['--bind', from, to]).status === 0;
  if (mounted) spawnSync('umount', [to]);
  return mounted;
})();

describe.skipIf(!mountable)(`a mount${mountable ? '' : ' (skipped: nothing can be mounted here)'}`, () => {
  test.each(['job', 'job/deep/inside', 'job/with space'])('on %s: nothing is touched', async (place) => {
    const precious = path.join(root, 'precious');
    fill(precious);
    fill(at('job/deep'));
    mkdirSync(at(place), { recursive: true });
    expect(spawnSync('mount', ['--bind', precious, at(place)]).status).toBe(0);
    try {
      expect(await clearIn('job')).toEqual({
        cleared: false,
        reason: 'something is mounted in the folder',
      });
      expect(readdirSync(precious).length).toBe(3);
      if (place !== 'job') expect(readdirSync(at('job/deep'))).toContain('file 0');
    } finally {
      spawnSync('umount', [at(place)]);
    }
    expect(await clearIn('job')).toMatchObject({ cleared: true });
    expect(readdirSync(precious).length).toBe(3);
  });

  test('the prefix itself may be one', async () => {
    const other = path.join(root, 'other');
    fill(path.join(other, 'job'));
    expect(spawnSync('mount', ['--bind', other, at('')]).status).toBe(0);
    try {
      expect(await clearIn('job')).toMatchObject({ cleared: true });
    } finally {
      spawnSync('umount', [at('')]);
    }
    expect(readdirSync(path.join(other, 'job'))).toEqual([]);
  });
});
