import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sshHost } from '../../../src/drivers/hosts/ssh/ssh.js';
import { lives, readProcess } from '../../../src/drivers/processes/processes.js';
import { hostConformance } from '../../conformance/host.js';
import { type Account, type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

const title = (name: string) => (noSshd === null ? name : `${name} (skipped: ${noSshd})`);

/** Start files of bash that print something, each in its way. */
const noises: Record<string, string> = {
  line: 'echo "Last login: never"\n',
  unended: 'printf "no newline here"\n',
  one: 'echo 1\n',
  zero: 'echo 0; echo -1; echo 2\n',
  many: 'seq 1 400; id; ps\n',
  megabytes: 'head -c 41000000 /dev/zero | tr "\\0" x\n',
  // Not ASCII from the first byte on: ssh2 takes it for a negative length.
  banner: 'printf "\\342\\225\\220\\342\\225\\220 Willkommen \\342\\225\\220\\n"\n',
  binary: 'head -c 100000 /dev/urandom; head -c 100000 /dev/urandom >&2\n',
  complaints: 'ls /no/such/file; echo "cannot create: No space left on device" >&2\n',
  traced: 'set -xv\n',
  // Holds the channel open when the command has long ended.
  lingers: 'sleep 1000 &\n',
};

/** Wraps the command that it is given instead of becoming it, talks after it, and has another exit code. */
const wrapper = 'sh -c "$SSH_ORIGINAL_COMMAND"; echo 3; echo bye >&2; exit 4';

const account = (user: string, shell: string, file: string, text: string): Account => ({
  user,
  shell,
  home: { [file]: text },
});
const accounts: Account[] = [
  ...Object.entries(noises).map(([name, text]) => account(name, '/bin/bash', '.bashrc', text)),
  account('wrapped', '/bin/sh', 'none', ''),
  account('denied', '/bin/sh', 'none', ''),
  account('mute', '/bin/sh', 'none', ''),
  account('sftponly', '/bin/sh', 'none', ''),
  account('becomes', '/bin/bash', '.bashrc', 'exec /bin/sh\n'),
  account('reads', '/bin/bash', '.bashrc', 'read -r line; echo "$line"\n'),
  account('nologin', '/usr/sbin/nologin', 'none', ''),
  account('slow', '/bin/bash', '.bashrc', 'echo $SHLVL; sleep 1\n'),
  account('fish', '/usr/bin/fish', '.config/fish/config.fish', 'echo hello from fish\n'),
  account('tcsh', '/bin/tcsh', '.cshrc', 'echo hello from tcsh\n'),
  account('csh', '/bin/bsd-csh', '.cshrc', 'echo hello from csh\n'),
  account('zsh', '/bin/zsh', '.zshenv', 'echo hello from zsh\n'),
];
const lines = [
  'Match User wrapped',
  `ForceCommand ${wrapper}`,
  'Match User denied',
  'ForceCommand echo "Only backups are allowed here."; exit 3',
  'Match User mute',
  'ForceCommand exec sleep 1000',
  'Match User sftponly',
  'ForceCommand internal-sftp',
];

describe.skipIf(noSshd !== null)(title('over a login shell that prints a line'), () => {
  hostConformance('ssh', async () => {
    const machine = await startMachine({ disk: 8 * 2 ** 20, accounts, lines });
    const host = sshHost({ ...machine.login, user: 'line' });
    return { host, disk: machine.base, close: () => machine.remove() };
  });
});

describe.skipIf(noSshd !== null)(title('login shells'), () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-shells-'));
  let machine: Machine;
  beforeAll(async () => {
    chmodSync(folder, 0o777);
    machine = await startMachine({ accounts, lines });
  });
  afterAll(async () => {
    await machine.remove();
    rmSync(folder, { recursive: true, force: true });
  });
  async function as<T>(user: string, act: (host: ReturnType<typeof sshHost>) => Promise<T>): Promise<T> {
    const host = sshHost({ ...machine.login, user });
    try {
      return await act(host);
    } finally {
      await host.close();
    }
  }
  /** Whatever any of these shells could stumble over. */
  const words = [
    '',
    " it's ",
    '$HOME `id` "x"',
    '!!',
    '! a\nb\\',
    '\\\\ \\n \\061',
    'ä€😀',
    'a\n',
    '%s%b',
    '*~[?]{a,b}',
  ];

  const shells = ['fish', 'tcsh', 'csh', 'zsh'].map((name) => {
    const { shell } = accounts.find(({ user }) => user === name) as Account;
    return { name, missing: !existsSync(shell) && `there is no ${shell} here` };
  });
  test.each([...Object.keys(noises), 'wrapped'])('%s: what is printed changes nothing', (user) =>
    behaves(user));
  for (const { name, missing } of shells) {
    test.skipIf(missing)(missing ? `${name} (skipped: ${missing})` : `${name} as the login shell`, () =>
      behaves(name),
    );
  }

  async function behaves(user: string): Promise<void> {
    await as(user, async (host) => {
      const script = 'printf "<%s>" "$@"; cat; echo "wrong!" >&2; exit 7';
      for (let round = 0; round < 2; round += 1) {
        const said = await host.run(script, { args: words, input: 'in\nput' });
        expect(said).toMatchObject({
          code: 7,
          signal: null,
          stdout: `${words.map((word) => `<${word}>`).join('')}in\nput`,
          stderr: 'wrong!\n',
        });
      }
      for (const size of [10, 131_073, 9_000_001]) {
        const [file, to, back] = ['from', 'to', 'back'].map((name) =>
          path.join(folder, `${user}-${size}-${name}`),
        ) as [string, string, string];
        writeFileSync(file, randomBytes(size));
        await host.put(file, to, { mode: 0o600 });
        expect(readFileSync(to).equals(readFileSync(file))).toBe(true);
        expect(await host.get(to, back)).toBe(size);
        expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
      }
      await expect(host.get(`${folder}/nothing`, `${folder}/nothing-here`)).rejects.toMatchObject({
        problem: 'missing',
      });
    });
  }

  test('what is printed is told, so that a person can find it', async () => {
    expect((await as('line', (host) => host.run(':'))).noise).toBe('Last login: never');
    expect((await as('many', (host) => host.run(':'))).noise).toMatch(/^1 2 3 /);
    expect((await as('wrapped', (host) => host.run(':'))).noise).toBeUndefined();
  });

  test.each([
    ['denied', /It printed: Only backups are allowed here\./],
    ['nologin', /It printed: This account is currently not available\./],
    ['sftponly', /a forced command, or a login shell that starts another program/],
    ['becomes', /a forced command, or a login shell that starts another program/],
    ['reads', /its login shell reads the input of the command/],
  ])('%s: no command of ours runs, and it is said why', async (user, why) => {
    const proof = path.join(folder, `${user}-proof`);
    await as(user, async (host) => {
      // A shell in the place of ours would take it for its commands.
      const run = host.run(':', { input: `touch ${proof}\n` });
      await expect(run).rejects.toMatchObject({
        problem: 'shell',
        begun: false,
        message: expect.stringMatching(why),
      });
    });
    expect(existsSync(proof)).toBe(false);
  });

  test('a forced command that never answers is told as what it is', async () => {
    const run = as('mute', (host) => host.run(':', { timeout: 500 }));
    await expect(run).rejects.toMatchObject({
      problem: 'unreachable',
      message: expect.stringContaining('a forced command'),
    });
  });

  describe('a command that is given up', () => {
    const bystanders: ChildProcess[] = [];
    afterAll(() => {
      for (const each of bystanders) each.kill('SIGKILL');
    });
    /** A process of the same user that has nothing to do with us. */
    async function bystander(user: string) {
      const { uid } = passwdOf(machine, user);
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', uid, gid: 65534 });
      bystanders.push(child);
      await once(child, 'spawn');
      const { pid, startTime } = readProcess(child.pid ?? 0) ?? { pid: 0, startTime: 0 };
      return () => lives(pid, startTime);
    }

    test.each([
      'one',
      'zero',
      'many',
      'wrapped',
      'megabytes',
    ])('%s: it ends, and nothing else of that user does', async (user) => {
      const unharmed = await bystander(user);
      await as(user, async (host) => {
        const file = path.join(folder, `${user}-pid`);
        rmSync(file, { force: true });
        const control = new AbortController();
        const run = host.run('echo $$ >"$1"; exec sleep 1000', { args: [file], signal: control.signal });
        const ended = expect(run).rejects.toThrow('not wanted');
        const pid = await waitFor(
          () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : null),
          'its pid',
        );
        control.abort(new Error('not wanted'));
        await ended;
        await waitFor(() => readProcess(pid) === undefined, 'its end');
      });
      expect(unharmed()).toBe(true);
    });

    test('before it began, behind a slow login shell that prints numbers, it never begins', async () => {
      const unharmed = await bystander('slow');
      const file = path.join(folder, 'slow-began');
      await as('slow', async (host) => {
        await expect(host.run('echo x >"$1"', { args: [file], timeout: 200 })).rejects.toMatchObject({
          problem: 'unreachable',
        });
        // The next one waits as long for its shell.
        await host.run(':');
      });
      expect(unharmed()).toBe(true);
      expect(existsSync(file)).toBe(false);
    });
  });
});

/** As the machine knows a user. */
function passwdOf(machine: Machine, user: string): { uid: number } {
  const text = readFileSync(path.join(path.dirname(machine.base), 'passwd'), 'utf8');
  return { uid: Number(new RegExp(`^${user}:x:(\\d+):`, 'm').exec(text)?.[1]) };
}
