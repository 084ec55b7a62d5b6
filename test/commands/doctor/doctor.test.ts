import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { main } from '../../support/paths.js';

const isRoot = process.getuid?.() === 0;
let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'penstock-doctor-'));
  chmodSync(home, 0o755);
  mkdirSync(path.join(home, 'config'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, [main, ...args, '--config', path.join(home, 'config')], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: home, ...env },
  });
const install = () => run(['node', 'install']);
const configure = (node: object) => writeFileSync(path.join(home, 'config/node.yaml'), JSON.stringify(node));

/** What the doctor says of the node: each check with its state, and everything as one text. */
function examine(env: Record<string, string> = {}) {
  const { stdout, status } = run(['doctor', '--json'], env);
  const all = JSON.parse(stdout) as { check: string; state: string; detail: string; mend?: string }[];
  const node = all.filter(({ check }) => check.startsWith('node '));
  const states = Object.fromEntries(node.map(({ check, state }) => [check.slice(5), state]));
  return { status, states, text: JSON.stringify(node) };
}

describe('the doctor and the processing node', () => {
  test('without a home there is a note, with one all is well', () => {
    const before = examine();
    expect(before).toMatchObject({ status: 0, states: { home: 'note', users: 'ok' } });
    expect(before.text).toContain('penstock node install');
    expect(install().status).toBe(0);
    const after = { home: 'ok', users: 'ok', scripts: 'ok', folders: 'ok' };
    expect(examine()).toMatchObject({ status: 0, states: after });
    // As `clean` leaves it.
    rmSync(path.join(home, 'pns/input'), { recursive: true });
    rmSync(path.join(home, 'pns/output'), { recursive: true });
    expect(examine()).toMatchObject({ status: 0, states: after });
  });

  test('it looks whether logs of services can be cut, and leaves nothing behind', () => {
    const data = path.join(home, 'data');
    const { stdout } = run(['doctor', '--json', '--data', data]);
    expect(JSON.parse(stdout)).toContainEqual(
      expect.objectContaining({ check: 'logs of services', state: 'ok' }),
    );
    expect(readdirSync(data)).toEqual([]);
  });

  test('scripts that are missing are a note; those that cannot be executed are wrong', () => {
    install();
    rmSync(path.join(home, 'pns/initPTS'));
    expect(examine()).toMatchObject({ status: 0, states: { scripts: 'note' } });
    chmodSync(path.join(home, 'pns/runPTS.ori'), 0o644);
    const { text, ...found } = examine();
    expect(found).toMatchObject({ status: 1, states: { scripts: 'wrong' } });
    expect(text).toContain(path.join(home, 'pns/runPTS'));
    configure({ scripts: Object.fromEntries(['init', 'config', 'run', 'clean'].map((n) => [n, ['true']])) });
    expect(examine().states).toMatchObject({ scripts: 'ok' });
  });

  test('a program is looked for where jobs find it, not where the doctor’s caller does', () => {
    install();
    const own = path.join(home, 'bin');
    mkdirSync(own);
    writeFileSync(path.join(own, 'mytool'), '#!/bin/sh\n', { mode: 0o755 });
    configure({ scripts: { config: ['mytool'], run: ['./runPTS'] } });
    const { text, ...found } = examine({ PATH: `${own}:${process.env.PATH}` });
    expect(found).toMatchObject({ status: 1, states: { scripts: 'wrong' } });
    expect(text).toContain("config: there is no program 'mytool' on this machine's PATH");
    writeFileSync(path.join(home, 'pns/cleanPTS.ori'), '#!/no/such\n');
    configure({});
    expect(examine().text).toMatch(/clean: \S+cleanPTS needs the interpreter .*no.such/);
  });

  test('users that there are not', () => {
    for (const key of ['ptsuser', 'serveruser']) {
      configure({ [key]: 'no-such-user' });
      const { text, ...found } = examine();
      expect(found).toMatchObject({ status: 1, states: { users: 'wrong' } });
      expect(text).toContain('no-such-user');
    }
  });

  test.skipIf(!isRoot)(
    `folders that others cannot write to${isRoot ? '' : ' (skipped: it takes root)'}`,
    () => {
      install();
      configure({ ptsuser: 'nobody' });
      expect(examine()).toMatchObject({
        status: 1,
        states: { users: 'ok', scripts: 'ok', folders: 'wrong' },
      });
      configure({ serveruser: 'nobody' });
      install();
      expect(examine()).toMatchObject({ status: 0, states: { folders: 'ok' } });
    },
  );
});
