import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cloudHosts } from '../../app/cloud-hosts.js';
import type { Config } from '../../config/config.js';
import type { MachineEntry } from '../../config/config-cloud.js';
import { type Host, HostError, type HostProblem } from '../../drivers/hosts/host.js';
import { fingerprintOf } from '../../drivers/hosts/ssh/host-keys.js';
import { messageOf } from '../../lib/errors.js';
import type { Finding } from './finding.js';

/** Seconds that a machine may take for each step: the login, the check of its folder, a transfer. */
const patience = 10;

const mends: Readonly<Record<HostProblem, string>> = {
  unreachable: 'start it, or correct its ADDRESS and PORT in ssh.yaml',
  refused: 'correct AUTH_USER, AUTH_KEYFILE, AUTH_PASSWORD or AUTH_AGENT in ssh.yaml',
  shell:
    'let the login shell run commands: remove the forced command from authorized_keys or sshd_config, or the exec from its start files',
  'host-key': 'find out which key is right, then follow the message',
  gone: 'remove it from ssh.yaml',
  full: 'free some space there, or set another REMOTE_BASE_FOLDER',
  missing: 'make the folder writable for the user, or set another REMOTE_BASE_FOLDER in ssh.yaml',
};

/** What to do about a login shell that prints something with every command. Jobs run all the same. */
const quieten =
  'jobs run, but other programs that use SSH may fail: in its start files, print only if standard output is a terminal ([ -t 1 ])';

/**
 * Writes a file into the folder $1, or into its nearest existing parent. Prints the file's name and how many KiB are
 * free.
 */
const probeScript = `
export LC_ALL=C
folder=$1
while [ ! -e "$folder" ] && [ -n "$folder" ]; do folder=\${folder%/*}; done
if [ ! -d "\${folder:-/}" ]; then echo "$folder is not a folder" >&2; exit 1; fi
probe=\${folder%/}/.penstock-doctor-$$
echo penstock >"$probe" || { rm -f "$probe" 2>/dev/null; exit 1; }
echo "$probe"
df -Pk "\${folder:-/}" 2>/dev/null | awk 'NR == 2 { print $4 }'
`;

/** Checks the machines of `ssh.yaml`: logs in to each, and leaves nothing there. */
export async function examineMachines({ cloud, database }: Config): Promise<Finding[]> {
  const { ssh, application } = cloud;
  if (ssh.MACHINES.length === 0) return [];
  const shown = new Map<string, string>();
  const keys = await pinnedIn(database);
  const connect = Math.min(ssh.CONNECT_TIMEOUT, patience);
  const hosts = cloudHosts(() => ({ ...cloud, ssh: { ...ssh, CONNECT_TIMEOUT: connect } }), {
    keyOf: (host) => keys.get(host) ?? null,
    // Only the server pins a key, when it first uses the machine.
    pin: async (host, key) => void shown.set(host, key),
  });
  const examine = async (entry: MachineEntry): Promise<Finding> => {
    const check = `machine ${entry.NAME}`;
    const base = entry.REMOTE_BASE_FOLDER ?? application.REMOTE_BASE_FOLDER;
    try {
      const { free, noise } = await tryFolder(hosts.machine(entry.NAME), base);
      const key = shown.get(`${entry.ADDRESS}:${entry.PORT}`);
      const fresh = key === undefined ? '' : `; its host key, not pinned yet, is ${fingerprintOf(key)}`;
      const detail = `${entry.ADDRESS}, ${free} free in ${base}${fresh}`;
      if (noise === undefined) return { check, state: 'ok', detail };
      return { check, state: 'note', detail: `${detail}; its login shell prints "${noise}"`, mend: quieten };
    } catch (error) {
      const mend = error instanceof HostError ? mends[error.problem] : mends.unreachable;
      return { check, state: 'wrong', detail: messageOf(error), mend };
    }
  };
  try {
    return await Promise.all(ssh.MACHINES.map(examine));
  } finally {
    await hosts.close();
  }
}

/** Writes a file into a folder there and fetches it. Returns the free space, and what the login shell prints. */
async function tryFolder(host: Host, base: string): Promise<{ free: string; noise: string | undefined }> {
  const timeout = patience * 1000;
  const { code, stdout, stderr, noise } = await host.run(probeScript, { args: [base], timeout });
  const [probe = '', free = ''] = stdout.split('\n');
  if (code !== 0) {
    // The reason follows the shell's name, a line number, and the name of our probe.
    const why = stderr.split('\n')[0]?.split(': ').at(-1);
    throw new HostError('missing', `Cannot write to ${base}: ${why}.`);
  }
  const here = mkdtempSync(path.join(os.tmpdir(), 'penstock-doctor-'));
  try {
    await host.get(probe, path.join(here, 'probe'), { signal: AbortSignal.timeout(timeout) });
  } finally {
    rmSync(here, { recursive: true });
    await host.run('rm -f "$1"', { args: [probe], timeout });
  }
  const room = /^\d+$/.test(free) ? `${(Number(free) / 1024 ** 2).toFixed(1)} GiB` : 'some room';
  return { free: room, noise };
}

/** The keys that the server has pinned; none before its first start. */
async function pinnedIn(database: string): Promise<Map<string, string>> {
  if (!existsSync(database)) return new Map();
  const { default: Database } = await import('better-sqlite3');
  const opened = new Database(database, { readonly: true, timeout: 5000 });
  try {
    const rows = opened.prepare('SELECT host, fingerprint FROM host_key').all() as {
      host: string;
      fingerprint: string;
    }[];
    return new Map(rows.map(({ host, fingerprint }) => [host, fingerprint]));
  } catch {
    // A database from an older version has no such table.
    return new Map();
  } finally {
    opened.close();
  }
}
