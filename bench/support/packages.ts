import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { Context } from './row.js';

/** A peer that cannot be measured on this machine, and why. */
export class MissingPeer extends Error {}

/** Debian's Python, which Debian's packages are for, whatever `python3` is on the PATH. */
export const python = '/usr/bin/python3';

/** What a peer needs: commands on the PATH, Python modules, and the Debian packages that contain them. */
export interface Needs {
  commands: string[];
  modules: string[];
  packages: string[];
}

// redis-tools contains the whole Redis program (redis-server is a link to it), but no service that would be started.
export const needs = {
  wrk: { commands: ['wrk'], modules: [], packages: ['wrk'] },
  tastypie: {
    commands: ['/usr/bin/gunicorn'],
    modules: ['django', 'six'],
    packages: ['python3-django', 'python3-django-tastypie', 'python3-six', 'gunicorn'],
  },
  celery: {
    commands: ['redis-check-rdb'],
    modules: ['celery', 'redis'],
    packages: ['redis-tools', 'python3-celery', 'python3-redis'],
  },
  rabbitmq: {
    commands: ['/usr/lib/rabbitmq/bin/rabbitmq-server', 'epmd'],
    modules: [],
    packages: ['rabbitmq-server'],
  },
  redis: { commands: ['redis-check-rdb'], modules: [], packages: ['redis-tools'] },
  xargs: { commands: ['xargs'], modules: [], packages: ['findutils'] },
  parallel: { commands: ['parallel'], modules: [], packages: ['parallel'] },
} satisfies Record<string, Needs>;

/** The full name of a command, or undefined. */
export function which(command: string): string | undefined {
  const { status, stdout } = spawnSync('/bin/sh', ['-c', 'command -v "$0"', command], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function isThere(need: Needs): boolean {
  if (!need.commands.every(which)) return false;
  if (need.modules.length === 0) return true;
  return spawnSync(python, ['-c', `import ${need.modules.join(', ')}`], { stdio: 'ignore' }).status === 0;
}

/** Returns if the peer is installed or could be installed. Throws MissingPeer otherwise. */
export function needPeer(context: Context, name: keyof typeof needs): void {
  const need = needs[name];
  if (isThere(need)) return;
  if (context.install) install(need.packages);
  if (isThere(need)) return;
  throw new MissingPeer(`not installed (apt-get install ${need.packages.join(' ')}, or --install as root)`);
}

const policy = '/usr/sbin/policy-rc.d';

/** Installs from Debian, without letting any package start a service. */
function install(packages: string[]): void {
  console.error(`bench: apt-get install ${packages.join(' ')} …`);
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  };
  const ours = !existsSync(policy);
  try {
    if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    execFileSync('apt-get', ['-qq', 'update'], options);
    execFileSync('apt-get', ['-qq', '-y', 'install', '--no-install-recommends', ...packages], options);
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : error}`);
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}
