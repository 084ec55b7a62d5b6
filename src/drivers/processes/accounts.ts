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
 * A user of this machine, wherever users are kept (passwd(5), LDAP, …), by getent(1). Throws `account-unusable` for an
 * unknown name.
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
    // getent(1): 2 means that a name was not found.
    if ((error as { code?: unknown }).code !== 2) throw error;
    // In a container Penstock may run under a number without a user.
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

/** True if Penstock runs as that user. */
export const isSelf = ({ uid }: Account): boolean => uid === process.getuid?.();

/**
 * The prefix that makes a command run as another user; empty if Penstock runs as that user. Throws `account-unusable`
 * if there is no such user, or Penstock may not switch users. It uses setpriv(1) of util-linux by its fixed path, never
 * one from somebody's PATH.
 */
export async function switchTo(name: string): Promise<string[]> {
  const account = await accountOf(name);
  if (isSelf(account)) return [];
  if (process.getuid?.() !== 0) {
    throw new PenstockError(
      'account-unusable',
      `It must run as '${name}', but this server runs as '${ownName()}' and may not switch users. Run the server as root, or as '${name}'.`,
    );
  }
  const setpriv = findProgram('setpriv', '/', systemPath);
  return [setpriv, `--reuid=${account.uid}`, `--regid=${account.gid}`, '--init-groups', '--'];
}

/** The name of the user that runs Penstock; the number if there is no name. */
export function ownName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 0);
  }
}
