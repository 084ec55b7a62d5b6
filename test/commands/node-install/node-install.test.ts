import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-node-'));
// Others than root have to be able to go in, for what is made for them.
beforeAll(() => chmodSync(root, 0o755));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let home: string;
let count = 0;
beforeEach(() => {
  count += 1;
  home = path.join(root, String(count));
  mkdirSync(home);
});

const names = ['init', 'config', 'run', 'clean'].map((name) => `${name}PTS`);
const isRoot = process.getuid?.() === 0;
const asRoot = isRoot ? '' : ' (skipped: it takes root)';
const run = (args: string[], more: { cwd?: string; env?: Record<string, string>; uid?: number } = {}) =>
  spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    cwd: home,
    timeout: atPace(30_000),
    ...more,
    env: { PATH: process.env.PATH, HOME: home, ...more.env },
  });
const install = (...args: string[]) => run(['node', 'install', ...args]);

/** A config folder with this as its node.yaml. */
function config(node: object): string {
  const folder = path.join(home, 'config');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'node.yaml'), JSON.stringify(node));
  return folder;
}

describe('penstock node install', () => {
  test('makes ~/pns with folders, scripts and links, and says what to do next; twice is fine', () => {
    const pns = path.join(home, 'pns');
    const first = install();
    expect([first.status, first.stderr]).toEqual([0, '']);
    for (const folder of [pns, path.join(pns, 'input'), path.join(pns, 'output')]) {
      expect(statSync(folder).mode & 0o7777).toBe(0o775);
      expect(first.stdout).toMatch(new RegExp(`^made +${folder}$`, 'm'));
    }
    for (const name of names) {
      expect(readlinkSync(path.join(pns, name))).toBe(`${name}.ori`);
      expect(lstatSync(path.join(pns, `${name}.ori`)).mode & 0o7777).toBe(0o755);
      expect(first.stdout).toContain(path.join(pns, name));
    }
    expect(first.stdout).toMatch(/penstock serve --node-only -u \S+ -p \S+\n +curl .*:5000\/v0.6\/init\n$/);
    const second = install();
    expect([second.status, second.stderr]).toEqual([0, '']);
    expect(second.stdout).toContain('Nothing was changed.');
    expect(second.stdout).not.toMatch(/^made/m);
  });

  test('DIR wins over paths.pnshome, and that over ~/pns', () => {
    const paths = { pnshome: path.join(home, 'a'), inputdir: path.join(home, 'in'), outputdir: null };
    const args = ['--config', config({ paths }), '--json'];
    const scripts = Object.fromEntries(
      names.flatMap((name) => [`${name}.ori`, name]).map((n) => [n, 'made']),
    );
    expect(JSON.parse(install(...args).stdout)).toEqual({
      home: paths.pnshome,
      input: paths.inputdir,
      output: path.join(home, 'a/output'),
      scripts,
    });
    const named = { home: path.join(home, 'b'), input: path.join(home, 'b/input'), scripts };
    expect(JSON.parse(install('b', ...args).stdout)).toMatchObject(named);
    // A node that would not find it is told where it is.
    const { stdout } = install('b', '--config', path.join(home, 'config'));
    expect(stdout).toContain(`paths: {"pnshome":"${home}/b","inputdir":"${home}/b/input"}`);
    expect(stdout).toContain(`--config ${home}/config`);
    expect(existsSync(path.join(home, 'pns'))).toBe(false);
  });

  test('keeps what is the user’s, renews what is ours', () => {
    const pns = path.join(home, 'pns');
    mkdirSync(path.join(pns, 'input'), { recursive: true });
    chmodSync(path.join(pns, 'input'), 0o700);
    writeFileSync(path.join(pns, 'input/infile'), 'mine');
    writeFileSync(path.join(pns, 'initPTS'), 'my own');
    symlinkSync('runPTS.mine', path.join(pns, 'runPTS'));
    writeFileSync(path.join(home, 'elsewhere'), 'not to be written to');
    symlinkSync('../elsewhere', path.join(pns, 'cleanPTS.ori'));
    writeFileSync(path.join(pns, 'configPTS.ori'), 'of an earlier version');
    const { status, stdout } = install();
    expect(status).toBe(0);
    expect(stdout).toMatch(/^there already +\S+\/initPTS \(your own; left unchanged\)$/m);
    expect(stdout).toMatch(/^there already +\S+\/runPTS \(your own; left unchanged\)/m);
    expect(stdout).toMatch(/^made +\S+\/configPTS\.ori$/m);
    expect(readFileSync(path.join(pns, 'initPTS'), 'utf8')).toBe('my own');
    expect(readlinkSync(path.join(pns, 'runPTS'))).toBe('runPTS.mine');
    expect(readFileSync(path.join(pns, 'input/infile'), 'utf8')).toBe('mine');
    expect(statSync(path.join(pns, 'input')).mode & 0o777).toBe(0o700);
    expect(readFileSync(path.join(home, 'elsewhere'), 'utf8')).toBe('not to be written to');
    for (const name of ['configPTS.ori', 'cleanPTS.ori']) {
      expect(lstatSync(path.join(pns, name)).isFile()).toBe(true);
      expect(readFileSync(path.join(pns, name), 'utf8')).toContain(name.replace('.ori', ':'));
    }
  });

  test.each([
    ['', 2, /The name of the folder is empty/],
    ['file', 1, /file is not a folder\n.*node install DIR/],
    ['file/below', 1, /Cannot create .*file\/below: .*\n.*node install DIR/],
    ['/proc/node', 1, /Cannot create \/proc\/node: .*\n.*node install DIR/],
  ])('a home that cannot be: %j', (dir, code, words) => {
    writeFileSync(path.join(home, 'file'), '');
    const { status, stderr } = install(dir);
    expect([status, stderr]).toEqual([code, expect.stringMatching(words)]);
  });

  test('a user whom the machine does not have stops it before anything is made', () => {
    const { status, stderr } = install('pns', '--config', config({ serveruser: 'no-such-user' }));
    expect([status, stderr]).toEqual([1, expect.stringMatching(/no user 'no-such-user'.*\n.*serveruser/)]);
    expect(existsSync(path.join(home, 'pns'))).toBe(false);
  });

  test.skipIf(!isRoot)(
    `root gives it to serveruser, but nothing that has other things in it${asRoot}`,
    () => {
      const folder = config({ serveruser: 'nobody' });
      const { uid } = statSync(home);
      expect(install('pns', '--config', folder).status).toBe(0);
      const all = ['', 'input', 'output', ...names, ...names.map((name) => `${name}.ori`)];
      const ownersOf = (dir: string) => all.map((name) => lstatSync(path.join(home, dir, name)).uid);
      expect(new Set(ownersOf('pns'))).toEqual(new Set([65534]));
      // What belonged to root is given to that user later, a link and what is behind it are not.
      expect(install('later').status).toBe(0);
      rmSync(path.join(home, 'later/input'), { recursive: true });
      mkdirSync(path.join(home, 'target'));
      symlinkSync('../target', path.join(home, 'later/input'));
      expect(install('later', '--config', folder).status).toBe(0);
      expect(new Set(ownersOf('later'))).toEqual(new Set([65534, uid]));
      expect(statSync(path.join(home, 'target')).uid).toBe(uid);
      expect(install('.', '--config', folder).stdout).toContain('keeps its owner');
      expect(statSync(home).uid).toBe(uid);
    },
  );

  test.skipIf(!isRoot)(`others cannot give it to anybody${asRoot}`, () => {
    const folder = config({ serveruser: 'daemon' });
    chmodSync(home, 0o777);
    const { status, stderr } = run(['node', 'install', 'pns', '--config', folder], { uid: 65534 });
    expect([status, stderr]).toEqual([1, expect.stringMatching(/'daemon', but 'nobody' cannot give/)]);
    expect(existsSync(path.join(home, 'pns'))).toBe(false);
  });

  test('is in the help and in the completion', () => {
    expect(run(['--help']).stdout).toMatch(/^ +node +the processing node/m);
    expect(run(['node', 'install', '--help']).stdout).toContain('penstock node install [options] [dir]');
    expect(run(['completion', 'bash']).stdout).toContain('penstock node install');
    expect(run(['node', 'instal']).stderr).toContain('Did you mean install?');
  });
});

describe('the demo scripts', () => {
  const start = (name: string, env: Record<string, string> = {}) =>
    spawnSync(`./${name}PTS`, [''], {
      encoding: 'utf8',
      cwd: path.join(home, 'pns'),
      env: { PATH: process.env.PATH, ...env },
    });
  beforeEach(() => {
    expect(install().status).toBe(0);
  });

  test('init tells its folder, config just a line', () => {
    expect(start('init')).toMatchObject({ status: 0, stdout: `initPTS: ready in ${home}/pns\n` });
    expect(start('config')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^.+\n$/) });
  });

  test.each([
    'world',
    ' a  b ',
    'a\\n\\0b\\',
    '%s %d%%',
    'one\ntwo\n\n',
    '-n',
    '',
    '$(id) `id` "\'*',
    'é\r',
  ])('run greets %j', (text) => {
    const env = { INPUTDIR: path.join(home, 'in put'), OUTPUTDIR: path.join(home, 'out') };
    for (const folder of Object.values(env)) mkdirSync(folder);
    writeFileSync(path.join(env.INPUTDIR, 'infile'), text);
    const { status, stdout } = start('run', env);
    expect(status).toBe(0);
    expect(readFileSync(path.join(env.OUTPUTDIR, 'outfile'), 'utf8')).toBe(`hello ${text}!`);
    const [date = ''] = stdout.split('\n');
    expect(date).toMatch(/\d/);
    expect(stdout).toBe(`${date}\nhello ${text}!\n`);
  });

  test('run fails without an input file or an output folder', () => {
    expect(start('run')).toMatchObject({ status: 1, stderr: expect.stringContaining('input/infile') });
    writeFileSync(path.join(home, 'pns/input/infile'), 'x');
    expect(start('run').status).toBe(0);
    rmSync(path.join(home, 'pns/output'), { recursive: true });
    expect(start('run')).toMatchObject({ status: 1, stderr: expect.stringContaining('output') });
  });

  test('clean removes both folders; once more is fine', () => {
    writeFileSync(path.join(home, 'pns/input/infile'), 'x');
    for (const _ of [1, 2]) {
      expect(start('clean')).toMatchObject({ status: 0, stderr: '' });
      expect(existsSync(path.join(home, 'pns/input')) || existsSync(path.join(home, 'pns/output'))).toBe(
        false,
      );
    }
  });

  test('clean follows no link', () => {
    const target = path.join(home, 'target');
    mkdirSync(target);
    writeFileSync(path.join(target, 'precious'), '');
    for (const [name, end] of [
      ['a', ''],
      ['b', '/'],
    ]) {
      symlinkSync(target, path.join(home, `${name}`));
      expect(start('clean', { INPUTDIR: `${home}/${name}${end}` })).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('symbolic link'),
      });
    }
    symlinkSync(target, path.join(home, 'pns/input/link'));
    expect(start('clean').status).toBe(0);
    expect(existsSync(path.join(target, 'precious'))).toBe(true);
  });

  test('clean refuses what is no folder of the node, before it removes anything', () => {
    // Never / here: it is enough that the script would take away what stands around its home.
    const wrong = ['', '.', '..', `${home}/pns/`, `${home}/pns/input/../..`, `${home}/pns/initPTS.ori`];
    for (const folder of wrong) {
      expect(start('clean', { OUTPUTDIR: folder })).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('nothing was removed'),
      });
      expect(existsSync(path.join(home, 'pns/input'))).toBe(true);
    }
  });

  const shellcheck = spawnSync('shellcheck', ['--version']).error === undefined;
  test.skipIf(!shellcheck)(
    `shellcheck has nothing to say${shellcheck ? '' : ' (skipped: it is not here)'}`,
    () => {
      const files = names.map((name) => path.join(home, 'pns', `${name}.ori`));
      expect(spawnSync('shellcheck', files, { encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '' });
    },
  );
});
