import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { entryOf, sshFile } from '../../support/machines.js';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';

const name = 'what doctor says of machines';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  /** One whose start file prints something, and one that may run one command only. */
  const talkers = [
    { user: 'loud', shell: '/bin/bash', home: { '.bashrc': 'echo "Have a nice day"\n' } },
    { user: 'boxed', shell: '/bin/sh', home: {} },
  ];
  let machine: Machine;
  let away: Machine;
  let home: string;
  beforeAll(async () => {
    home = mkdtempSync(path.join(os.tmpdir(), 'penstock-doctor-'));
    mkdirSync(path.join(home, 'config'));
    machine = await startMachine({
      accounts: talkers,
      lines: ['Match User boxed', 'ForceCommand echo backups only'],
    });
    away = await startMachine();
  });
  afterAll(async () => {
    for (const each of [machine, away]) await each?.remove();
    rmSync(home, { recursive: true, force: true });
  });

  // Whatever failed shall not fail the next.
  afterEach(async () => {
    for (const each of [machine, away]) await each.restore();
  });

  /** Its exit code, its lines of machines by name, and how many seconds it took. */
  async function examine(machines: readonly object[], more: object = {}) {
    writeFileSync(path.join(home, 'config/ssh.yaml'), stringify(sshFile(machines, more)));
    const folders = ['--config', path.join(home, 'config'), '--data', path.join(home, 'data')];
    const from = Date.now();
    const child = spawn(process.execPath, [main, 'doctor', ...folders], {
      env: { PATH: process.env.PATH, HOME: home },
    });
    let text = '';
    child.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    child.stderr.resume();
    const [status] = (await once(child, 'close')) as [number];
    const lines = text.split('\n');
    const told = (of: string) => {
      const at = lines.findIndex((line) => line.includes(`machine ${of}`));
      return lines.slice(at, at + 2).join('\n');
    };
    return { status, text, told, seconds: (Date.now() - from) / 1000 };
  }

  test('one that is well: its room, its key, and nothing is left there', async () => {
    const well = await examine([entryOf('fiji', machine)]);
    expect(well.told('fiji')).toMatch(
      new RegExp(
        `ok .*machine fiji.*${machine.address}, [\\d.]+ GiB free in ${machine.base}; its host key, not pinned`,
      ),
    );
    expect(well.status).toBe(0);
    expect(readdirSync(machine.base)).toEqual([]);
    // A base folder that is not made yet is made by the first job.
    const deep = path.join(machine.base, 'not/made/yet');
    expect((await examine([entryOf('fiji', machine, { REMOTE_BASE_FOLDER: deep })])).status).toBe(0);
    expect(readdirSync(machine.base)).toEqual([]);
  });

  test('each that is not is told in its line, with what to do, and costs the others nothing', async () => {
    const closed = path.join(machine.base, 'closed');
    mkdirSync(closed, { mode: 0o755 });
    const file = path.join(machine.base, 'file');
    writeFileSync(file, '');
    const stray = path.join(home, 'stray');
    writeFileSync(stray, 'no key\n');
    const guest = {
      AUTH_USER: machine.guest.user,
      AUTH_KEYFILE: null,
      AUTH_PASSWORD: machine.guest.password,
    };
    away.cut();
    const all = await examine([
      entryOf('well', machine),
      entryOf('user', machine, { AUTH_USER: 'nobody-here' }),
      entryOf('other-key', machine, { AUTH_KEYFILE: path.join(path.dirname(away.base), 'user') }),
      entryOf('bad-key', machine, { AUTH_KEYFILE: stray }),
      entryOf('password', machine, { ...guest, AUTH_PASSWORD: 'a wrong secret' }),
      entryOf('away', away),
      entryOf('port', machine, { PORT: 9 }),
      entryOf('known', machine, { HOST_KEY: away.hostKey() }),
      entryOf('closed', machine, { ...guest, REMOTE_BASE_FOLDER: closed }),
      entryOf('file', machine, { REMOTE_BASE_FOLDER: path.join(file, 'below') }),
      entryOf('proc', machine, { REMOTE_BASE_FOLDER: '/proc/penstock' }),
    ]);
    away.mend();
    expect(all.status).toBe(1);
    expect(all.told('well')).toMatch(/ok .*GiB free/);
    expect(all.told('user')).toMatch(/nobody-here@.* rejected the login.*\n.*AUTH_USER/);
    expect(all.told('other-key')).toMatch(/rejected the login.*\n.*AUTH_KEYFILE/);
    expect(all.told('bad-key')).toMatch(/cannot be logged in to: .*\n.*AUTH_KEYFILE/);
    expect(all.told('password')).toMatch(/rejected the login.*\n.*AUTH_PASSWORD/);
    expect(all.told('away')).toMatch(/did not answer within 2 s|cannot be reached.*\n.*ADDRESS and PORT/);
    expect(all.told('port')).toMatch(/cannot be reached.*\n.*ADDRESS and PORT/);
    expect(all.told('known')).toMatch(/shows the host key SHA256:.*correct HOST_KEY of known in ssh.yaml/);
    expect(all.told('closed')).toMatch(/Cannot write to .*closed: Permission denied\.\n.*REMOTE_BASE_FOLDER/);
    expect(all.told('file')).toMatch(
      /Cannot write to .*below: .*file is not a folder\.\n.*REMOTE_BASE_FOLDER/,
    );
    expect(all.told('proc')).toMatch(/Cannot write to .*proc\/penstock: [^:]*\.\n.*REMOTE_BASE_FOLDER/);
    for (const secret of [machine.guest.password, 'a wrong secret']) expect(all.text).not.toContain(secret);
    expect(all.seconds * 1000).toBeLessThan(atPace(20_000));
    expect(readdirSync(machine.base).sort()).toEqual(['closed', 'file']);
    chmodSync(closed, 0o700);
  });

  test('a login shell that prints something is quoted, and a forced command told as such', async () => {
    const base = path.join(machine.base, 'for-all');
    mkdirSync(base);
    chmodSync(base, 0o777);
    const said = await examine([
      entryOf('loud', machine, { AUTH_USER: 'loud', REMOTE_BASE_FOLDER: base }),
      entryOf('boxed', machine, { AUTH_USER: 'boxed', REMOTE_BASE_FOLDER: base }),
    ]);
    expect(said.told('loud')).toMatch(
      /note .*GiB free in .*its login shell prints "Have a nice day"\n.*start files/,
    );
    expect(said.told('boxed')).toMatch(
      /WRONG .*does not run our commands: there is a forced command.* It printed: backups only\n.*forced command/,
    );
    expect(said.status).toBe(1);
    expect(readdirSync(base)).toEqual([]);
  });

  test('machines that hang keep it no longer than they may, however patient ssh.yaml is', async () => {
    machine.freeze();
    try {
      const hung = await examine([entryOf('one', machine), entryOf('two', away)], { CONNECT_TIMEOUT: 600 });
      expect(hung.told('one')).toMatch(/did not answer within 10 s/);
      expect(hung.told('two')).toMatch(/ok .*GiB free/);
      expect(hung.status).toBe(1);
      expect(hung.seconds * 1000).toBeLessThan(atPace(20_000));
    } finally {
      await machine.restore();
    }
  });
});
