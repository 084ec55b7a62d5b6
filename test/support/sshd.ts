import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { SshLogin } from '../../src/drivers/hosts/ssh/ssh-login.js';
import { listProcesses } from '../../src/drivers/processes/processes.js';
import { waitFor } from './wait-for.js';

/** A machine with a real sshd: a network namespace with an address of its own. It shares the file system with us. */
export interface Machine {
  address: string;
  /** Its own folder, on a disk that can be filled without harm to others if `disk` was asked for. */
  base: string;
  /** A login as root by a key file; `guest` may log in with `password` only. */
  login: SshLogin;
  guest: { user: string; password: string };
  /** The public key that it shows. */
  hostKey(): string;
  /** The processes of that name that run there. */
  processes(name: string): number[];
  /** No packet passes, and its side looks as if the cable were out. */
  cut(): void;
  mend(): void;
  /** It gets what we send, and never answers. */
  freeze(): void;
  thaw(): void;
  /** Ends sshd and the connections that it serves, not what was run over them. */
  killSshd(): Promise<void>;
  /** Does nothing if it runs. */
  startSshd(): Promise<void>;
  /** Undoes all that was done to it and may be undone, whatever that was. */
  restore(): Promise<void>;
  /** As if the machine had been made anew: the next start of its sshd shows another key. */
  changeHostKey(): Promise<void>;
  remove(): Promise<void>;
}

const has = (program: string) => spawnSync(program, ['-V']).error === undefined;

/** Why there are no tests over SSH; null where there can be. */
export const noSshd: string | null =
  globalThis.process.getuid?.() !== 0
    ? 'only root can make network namespaces'
    : !has('/usr/sbin/sshd')
      ? 'there is no sshd here'
      : !has('ip')
        ? 'there is no ip here'
        : spawnSync('unshare', ['--net', 'true']).status !== 0
          ? 'no network namespaces can be made here'
          : null;

let count = 0;

/** One more account of a machine, with a home of its own and the same key: no root, so that nothing of ours can come to harm. */
export interface Account {
  user: string;
  shell: string;
  /** Its files by name, such as the start files of the shell. */
  home: Readonly<Record<string, string>>;
}

/** Starts a machine. `disk` gives its folder a disk of its own, of so many bytes; `lines` are added to its sshd_config; `sftp` serves SFTP. */
export async function startMachine(
  options: {
    disk?: number;
    lines?: readonly string[];
    sftp?: string | null;
    accounts?: readonly Account[];
  } = {},
): Promise<Machine> {
  count += 1;
  const { pid } = globalThis.process;
  const space = `penstock-${pid}-${count}`;
  const link = `ps${pid}x${count}`;
  // A network of four addresses for each machine, apart from those of other test files that run now.
  const network = `10.${64 + ((pid >> 8) & 63)}.${pid & 255}.`;
  const [here, address] = [1, 2].map((n) => `${network}${count * 4 + n}`) as [string, string];
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-sshd-'));
  const file = (name: string) => path.join(folder, name);
  const ip = (...words: string[]) => execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const inside = (...words: string[]) => ip('-n', space, ...words);

  ip('netns', 'add', space);
  ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', space);
  ip('address', 'add', `${here}/30`, 'dev', link);
  ip('link', 'set', link, 'up');
  inside('address', 'add', `${address}/30`, 'dev', 'eth0');
  inside('link', 'set', 'eth0', 'up');
  inside('link', 'set', 'lo', 'up');

  const base = file('base');
  mkdirSync(base);
  if (options.disk !== undefined) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${options.disk}`, 'penstock-test', base]);
  }
  const makeKey = (name: string) =>
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file(name)]);
  makeKey('host');
  makeKey('user');
  const guest = { user: 'penstock-guest', password: 'let me in' };
  const homes = mkdtempSync(path.join(os.tmpdir(), 'penstock-homes-'));
  chmodSync(homes, 0o755);
  // sshd reads the key as who logs in.
  if (options.accounts !== undefined) chmodSync(folder, 0o711);
  writeAccounts(file, guest, options.accounts ?? [], homes);
  mkdirSync('/run/sshd', { recursive: true });
  writeFileSync(
    file('config'),
    [
      `ListenAddress ${address}`,
      `HostKey ${file('host')}`,
      `AuthorizedKeysFile ${file('user.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication yes',
      'PermitRootLogin prohibit-password',
      ...(options.sftp === null ? [] : [`Subsystem sftp ${options.sftp ?? '/usr/lib/openssh/sftp-server'}`]),
      'MaxStartups 100',
      ...(options.lines ?? []),
      '',
    ].join('\n'),
  );
  // Its accounts are its own, though it shares our file system.
  const script = `mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/shadow" /etc/shadow &&
    exec /usr/sbin/sshd -D -e -f "$1/config"`;
  let sshd: ChildProcess | null = null;

  async function startSshd(): Promise<void> {
    if (sshd !== null && sshd.exitCode === null && sshd.signalCode === null) return;
    const log = openSync(file('log'), 'a');
    const words = ['netns', 'exec', space, 'unshare', '--mount', '--propagation', 'slave', 'sh', '-c'];
    sshd = spawn('ip', [...words, script, 'sh', folder], { stdio: ['ignore', log, log] });
    await waitFor(async () => {
      if (sshd?.exitCode !== null) throw new Error(`sshd ended: ${readFileSync(file('log'), 'utf8')}`);
      return answers(address);
    }, 'sshd');
  }
  async function killSshd(): Promise<void> {
    const first = sshd?.pid;
    if (first === undefined || sshd?.exitCode !== null || sshd.signalCode !== null) return;
    const mine = new Set([first]);
    // It must not start another while we look, which would go on serving its connection.
    globalThis.process.kill(first, 'SIGSTOP');
    const all = listProcesses();
    for (let grown = true; grown; ) {
      const more = all.filter(
        ({ pid: each, parent, name }) => mine.has(parent) && name.startsWith('sshd') && !mine.has(each),
      );
      for (const process of more) mine.add(process.pid);
      grown = more.length > 0;
    }
    const gone = new Promise((resolve) => sshd?.once('exit', resolve));
    for (const each of mine) {
      try {
        globalThis.process.kill(each, 'SIGKILL');
      } catch {
        // It ended with the one before it.
      }
    }
    await gone;
  }
  /** Puts the cable back in, and waits until this side sees it and has forgotten that nobody was there. */
  function mend(): void {
    inside('link', 'set', 'eth0', 'up');
    const carrier = () => readFileSync(`/sys/class/net/${link}/operstate`, 'utf8').trim() === 'up';
    for (const until = Date.now() + 10_000; !carrier() && Date.now() < until; ) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
    ip('neigh', 'flush', 'dev', link);
  }
  /** Does nothing if it is not frozen. */
  function thaw(): void {
    spawnSync('ip', ['-n', space, 'route', 'del', 'blackhole', `${here}/32`]);
  }
  await startSshd();

  return {
    address,
    base,
    login: { address, port: 22, user: 'root', keyFile: file('user'), hostKey: null },
    guest,
    hostKey: () => readFileSync(file('host.pub'), 'utf8').split(' ').slice(0, 2).join(' '),
    processes: (name) => {
      const there = new Set(execFileSync('ip', ['netns', 'pids', space]).toString().split('\n'));
      return listProcesses()
        .filter((each) => each.name === name && there.has(String(each.pid)))
        .map(({ pid: each }) => each);
    },
    cut: () => void inside('link', 'set', 'eth0', 'down'),
    mend,
    freeze: () => void inside('route', 'replace', 'blackhole', `${here}/32`),
    thaw,
    killSshd,
    startSshd,
    async restore() {
      thaw();
      mend();
      await startSshd();
    },
    async changeHostKey() {
      await killSshd();
      rmSync(file('host'));
      makeKey('host');
      await startSshd();
    },
    async remove() {
      await killSshd();
      // What was run over a connection that broke is still there, by design.
      for (const each of execFileSync('ip', ['netns', 'pids', space])
        .toString()
        .split('\n')
        .filter(Boolean)) {
        try {
          globalThis.process.kill(Number(each), 'SIGKILL');
        } catch {
          // It has ended by itself meanwhile.
        }
      }
      ip('netns', 'del', space);
      spawnSync('ip', ['link', 'del', link]);
      if (options.disk !== undefined) execFileSync('umount', ['--lazy', base]);
      for (const each of [folder, homes]) rmSync(each, { recursive: true, force: true });
    },
  };
}

/** The accounts of this machine, one more that has a password, and those that were asked for. */
function writeAccounts(
  file: (name: string) => string,
  guest: Machine['guest'],
  accounts: readonly Account[],
  homes: string,
): void {
  const hash = execFileSync('openssl', ['passwd', '-6', guest.password]).toString().trim();
  // What people have set up for their own logins shall not count here.
  const root = 'root:x:0:0:root:/tmp:/bin/sh';
  const passwd = readFileSync('/etc/passwd', 'utf8').replace(/^root:.*$/m, root);
  const shadow = readFileSync('/etc/shadow', 'utf8');
  const more = accounts.map(({ user, shell, home }, index) => {
    const uid = 61235 + index;
    const folder = path.join(homes, user);
    mkdirSync(folder);
    for (const [name, text] of Object.entries(home)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    execFileSync('chown', ['-R', `${uid}:65534`, folder]);
    return { user, line: `${user}:x:${uid}:65534::${folder}:${shell}\n` };
  });
  const lines = more.map(({ line }) => line).join('');
  writeFileSync(file('passwd'), `${passwd}${guest.user}:x:61234:65534::/tmp:/bin/sh\n${lines}`);
  const hashes = more.map(({ user }) => `${user}:*:19000:0:99999:7:::\n`).join('');
  writeFileSync(file('shadow'), `${shadow}${guest.user}:${hash}:19000:0:99999:7:::\n${hashes}`, {
    mode: 0o600,
  });
  chmodSync(file('shadow'), 0o600);
}

function answers(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port: 22 });
    socket.once('data', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
