import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeFolders } from '../../../src/drivers/files/make-folders.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-make-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => path.join(root, name);

describe('makeFolders', () => {
  test.each(['one', 'two/three/four', 'five/'])('makes %s, once', async (name) => {
    const place = `${root}/${name}`;
    expect(await makeFolders(place, 0o775)).toBe(true);
    expect(statSync(place).mode & 0o7777).toBe(0o775);
    expect(await makeFolders(place, 0o700)).toBe(false);
    expect(statSync(place).mode & 0o7777).toBe(0o775);
  });

  test('takes a link to a folder for a folder, also on the way', async () => {
    mkdirSync(at('real'));
    symlinkSync('real', at('link'));
    expect(await makeFolders(at('link'))).toBe(false);
    expect(await makeFolders(at('link/below'))).toBe(true);
    expect(statSync(at('real/below')).isDirectory()).toBe(true);
  });

  test('may be asked by many at once', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => makeFolders(at('x/y/z'))));
    expect(all.filter((made) => made).length).toBe(1);
  });

  test.each([
    ['/proc/x', 'ENOENT'],
    ['/proc/x/y/z', 'ENOENT'],
    [at('file'), 'EEXIST'],
    [at('file/below'), 'ENOTDIR'],
    [at('to-nothing'), 'EEXIST'],
  ])('ends where none can be made: %s', async (place, code) => {
    writeFileSync(at('file'), '');
    rmSync(at('to-nothing'), { force: true });
    symlinkSync('nothing', at('to-nothing'));
    await expect(makeFolders(place)).rejects.toMatchObject({ code });
  });
});
