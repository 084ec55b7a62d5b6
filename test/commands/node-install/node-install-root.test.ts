import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';

const isRoot = process.getuid?.() === 0;
let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'penstock-node-'));
  chmodSync(home, 0o755);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));
const run = (args: string[], more: { uid?: number } = {}) =>
  spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    cwd: home,
    timeout: atPace(30_000),
    ...more,
    env: { PATH: process.env.PATH, HOME: home },
  });
const install = (...args: string[]) => run(['node', 'install', ...args]);
function config(node: object): string {
  writeFileSync(path.join(home, 'node.yaml'), JSON.stringify(node));
  return home;
}

describe.skipIf(!isRoot)(`penstock node install by root${isRoot ? '' : ' (skipped: it takes root)'}`, () => {
  test('takes nobody’s folder with things in it away', () => {
    const theirs = path.join(home, 'theirs');
    mkdirSync(theirs);
    writeFileSync(path.join(theirs, 'precious'), '');
    chownSync(theirs, 1, 1);
    const folder = config({ serveruser: 'nobody', paths: { pnshome: `${home}/pns/`, inputdir: theirs } });
    const { status, stdout } = install('--config', folder);
    expect([status, stdout]).toEqual([0, expect.stringContaining(`${theirs} contains other files`)]);
    expect(statSync(theirs).uid).toBe(1);
    expect(statSync(path.join(home, 'pns/output')).uid).toBe(65534);
  });

  test('is not led elsewhere by a link', () => {
    const [target, evil] = [path.join(home, 'target'), path.join(home, 'evil')];
    for (const place of [target, evil]) mkdirSync(place);
    for (const link of ['pns', 'way']) symlinkSync(target, path.join(evil, link));
    const folder = config({ serveruser: 'nobody' });
    const refused = (dir: string, link: string) =>
      expect(install(dir, '--config', folder)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining(`${link} is a symbolic link`),
      });
    refused('evil/pns', `${evil}/pns`);
    for (const place of [evil, `${evil}/pns`, `${evil}/way`]) lchownSync(place, 65534, 65534);
    refused('evil/pns', `${evil}/pns`);
    refused('evil/pns/', `${evil}/pns`);
    refused('evil/way/pns', `${evil}/way`);
    expect(readdirSync(target)).toEqual([]);
    expect(statSync(target).uid).toBe(0);
    // A link of root's own on the way is fine, and so is one of one's own at the end.
    symlinkSync(target, path.join(home, 'way'));
    expect(install('way/pns', '--config', folder).status).toBe(0);
    chownSync(target, 65534, 65534);
    expect(run(['node', 'install', 'evil/pns', '--json'], { uid: 65534 }).status).toBe(0);
    expect(readdirSync(target)).toContain('runPTS');
  });
});
