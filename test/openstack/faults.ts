import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { OpenStack } from './openstack.js';
import type { Session } from './session.js';

/** What an administrator can do to a project's user. Each change gives what takes it back. */
type TakeBack = () => Promise<void>;

/** Lets a project have no more than so many instances, cores or MiB of memory; what it has already stays. */
export async function limitNova(
  admin: Session,
  project: string,
  limits: { instances?: number; cores?: number; ram?: number },
): Promise<TakeBack> {
  await admin.ask('compute', 'PUT', `/os-quota-sets/${project}`, { quota_set: { ...limits, force: true } });
  return async () => {
    await admin.ask('compute', 'DELETE', `/os-quota-sets/${project}`);
  };
}

/** Likewise of networks: no more than so many floating IPs, ports or networks. */
export async function limitNeutron(
  admin: Session,
  project: string,
  limits: { floatingip?: number; port?: number; network?: number },
): Promise<TakeBack> {
  await admin.ask('network', 'PUT', `/quotas/${project}`, { quota: limits });
  return async () => {
    await admin.ask('network', 'DELETE', `/quotas/${project}`);
  };
}

/** Makes a token worthless at once, as when its owner's password or role has changed. Services hear of it within a second. */
export async function revokeToken(admin: Session, token: string): Promise<void> {
  const { status } = await fetch(`${admin.endpoint('identity')}/auth/tokens`, {
    method: 'DELETE',
    headers: { 'x-auth-token': admin.token, 'x-subject-token': token },
  });
  if (status !== 204) throw new Error(`Keystone answered ${status}`);
}

/** Ends the QEMU of a guest, as a machine that fails: Nova is not asked, and finds it SHUTOFF some 15 s later. */
export async function crash(cloud: OpenStack, admin: Session, id: string): Promise<void> {
  const { server } = await admin.ask('compute', 'GET', `/servers/${id}`);
  const enter = ['--target', String(cloud.pid), '--mount', '--pid', '--root', '--'];
  const destroy = ['virsh', 'destroy', server['OS-EXT-SRV-ATTR:instance_name']];
  await promisify(execFile)('nsenter', [...enter, ...destroy]);
}

/** User-data of a guest that runs and is ACTIVE, but never answers SSH: nothing listens. */
export const deaf = `#!/bin/sh
sed -i /sshd/d /etc/inittab
kill -HUP 1
pkill sshd
`;

/** The project's own security group that lets nobody in: a guest in it answers neither SSH nor ping. */
export const closedGroup = 'default';
