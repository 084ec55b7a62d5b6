import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import { PenstockError } from '../../lib/errors.js';
import { findProgram } from './find-program.js';

const run = promisify(execFile);

/** A user of this machine. */
export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin';

const known = new Map<string, Account>();

/**
 * A user of this machine, from wherever its users are kept (passwd(5), LDAP, …: getent(1) knows).
 * Throws `account-unusable` if there is none of that name.
 */
export async function accountOf(name: string): Promise<Account> {
  const found = known.get(name) ?? (await look(name));
  known.set(name, found);
  return found;
}

async function look(name: string): Promise<Account> {
  let line: string;
  try {
    line = (await run('getent', ['passwd', '--', name], { timeout: 10_000 })).stdout;
  } catch (error) {
    // getent(1): 2 is that one of the names could not be found.
    if ((error as { code?: unknown }).code !== 2) throw error;
    // In a container a server may run as a number that no user has.
    if (name === ownName()) return self();
    throw new PenstockError('account-unusable', `This machine has no user '${name}'.`);
  }
  const [found = '', , uid, gid, , home = '/'] = line.trim().split(':');
  return { name: found, uid: Number(uid), gid: Number(gid), home };
}

const self = (): Account => ({
  name: ownName(),
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  home: os.homedir(),
});

/** True if that is who runs this server. */
export const isSelf = ({ uid }: Account): boolean => uid === process.getuid?.();

/**
 * What has to stand before a command so that it runs as somebody else: nothing, where that is who runs this server.
 * Throws `account-unusable` if there is no such user, or this server may not become anybody else.
 * It is setpriv(1) of util-linux that does it, and not one that somebody's PATH has.
 */
export async function switchTo(name: string): Promise<string[]> {
  const account = await accountOf(name);
  if (isSelf(account)) return [];
  if (process.getuid?.() !== 0) {
    throw new PenstockError(
      'account-unusable',
      `It is to run as '${name}', but this server runs as '${ownName()}' and may not switch users. Run the server as root, or as '${name}'.`,
    );
  }
  const setpriv = findProgram('setpriv', '/', systemPath);
  return [setpriv, `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--'];
}

/** The name of whoever runs this server; their number where they have none. */
export function ownName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 0);
  }
}
