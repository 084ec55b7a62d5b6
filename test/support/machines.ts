import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Machine } from './sshd.js';

/** A machine as `ssh.yaml` has it; `more` are further keys of it. */
export const entryOf = (name: string, machine: Machine, more: object = {}) => ({
  NAME: name,
  ADDRESS: machine.address,
  AUTH_USER: machine.login.user,
  AUTH_KEYFILE: machine.login.keyFile,
  REMOTE_BASE_FOLDER: machine.base,
  MAX_JOBS: 8,
  ...more,
});

/** An `ssh.yaml` by which a dead link is noticed within a second or two; `more` are further keys of it. */
export const sshFile = (machines: readonly object[], more: object = {}) => ({
  CONNECT_TIMEOUT: 2,
  KEEPALIVE_INTERVAL: 0.3,
  MACHINES: machines,
  ...more,
});

/** The folders of jobs that are left on a machine, by their UUIDs. */
export function foldersOn({ base }: Machine): Map<string, string> {
  const ours = readdirSync(base).filter((name) => name.startsWith('penstock-'));
  const jobs = ours.flatMap((name) =>
    readdirSync(path.join(base, name)).map((uuid) => [uuid, name] as const),
  );
  return new Map(jobs.map(([uuid, name]) => [uuid, path.join(base, name, uuid)]));
}

/** A file of a job's attempt on a machine, if it is there. */
export function fileOn(machine: Machine, uuid: string, file: string, attempt = 1): string | null {
  const found = path.join(foldersOn(machine).get(uuid) ?? '/nowhere', String(attempt), file);
  return existsSync(found) ? found : null;
}
