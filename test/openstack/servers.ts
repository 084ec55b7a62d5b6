import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { waitFor } from '../support/wait-for.js';
import type { OpenStack } from './openstack.js';
import { idOf, type Session } from './session.js';

const run = promisify(execFile);

interface NewServer {
  name?: string;
  flavor: string;
  /** The name of a key pair. */
  key?: string;
  userData?: string;
  securityGroup?: string;
  metadata?: Record<string, string>;
}

/** Looks a few times a second only: each look costs a service what the machine has to share. */
async function poll<T>(look: () => Promise<T>, what: string, deadline: number): Promise<NonNullable<T>> {
  return await waitFor(
    async () => {
      const seen = await look();
      if (!seen) await delay(200);
      return seen;
    },
    what,
    deadline,
  );
}

/** What Nova tells of a server: part of it. */
interface Server {
  id: string;
  name: string;
  status: string;
  user_id: string;
  metadata: Record<string, string>;
  addresses: Record<string, { addr: string; 'OS-EXT-IPS:type': 'fixed' | 'floating' }[]>;
  fault?: { code: number; message: string };
}

/** Asks for a server on the private network, and gives its id: it is still being built. */
export async function createServer(cloud: OpenStack, session: Session, wish: NewServer): Promise<string> {
  const { server } = await session.ask('compute', 'POST', '/servers', await serverBody(cloud, session, wish));
  return server.id;
}

/** What POST /servers takes. */
export async function serverBody(cloud: OpenStack, session: Session, wish: NewServer): Promise<unknown> {
  const { name = 'test', flavor, key, userData, securityGroup = cloud.securityGroup, metadata = {} } = wish;
  return {
    server: {
      name,
      flavorRef: await idOf(session, 'compute', 'flavors', flavor),
      imageRef: await idOf(session, 'image', 'images', cloud.image),
      networks: [{ uuid: await idOf(session, 'network', 'networks', cloud.networks.private) }],
      security_groups: [{ name: securityGroup }],
      metadata,
      ...(key === undefined ? {} : { key_name: key }),
      ...(userData === undefined ? {} : { user_data: Buffer.from(userData).toString('base64') }),
    },
  };
}

/** Waits for a server's status, and gives the server; ERROR ends the waiting unless it is waited for. */
export async function untilStatus(
  session: Session,
  id: string,
  status: string,
  deadline = 120_000,
): Promise<Server> {
  return await poll(
    async () => {
      const { server } = await session.ask('compute', 'GET', `/servers/${id}`);
      if (server.status === 'ERROR' && status !== 'ERROR')
        throw new Error(`server ${id}: ${JSON.stringify(server.fault)}`);
      return server.status === status ? server : null;
    },
    `server ${id} to be ${status}`,
    deadline,
  );
}

export async function deleteServer(session: Session, id: string): Promise<void> {
  await session.call('compute', 'DELETE', `/servers/${id}`);
  await untilGone(session, id);
}

export async function untilGone(session: Session, id: string, deadline = 60_000): Promise<void> {
  const gone = async () => (await session.call('compute', 'GET', `/servers/${id}`)).status === 404;
  await poll(gone, `server ${id} to be gone`, deadline);
}

/** What Nova's os-start, os-stop and the like do, by whoever has the right to. */
export async function act(session: Session, id: string, action: string): Promise<void> {
  await session.ask('compute', 'POST', `/servers/${id}/action`, { [action]: null });
}

/** Waits until the guest has written that to its console. */
export async function untilConsole(
  session: Session,
  id: string,
  pattern: RegExp,
  deadline = 120_000,
): Promise<void> {
  const written = async () => {
    const { body } = await session.call('compute', 'POST', `/servers/${id}/action`, {
      'os-getConsoleOutput': {},
    });
    return pattern.test(body.output ?? '');
  };
  await poll(written, `${pattern} on the console of ${id}`, deadline);
}

/** Takes a floating IP and gives it to the server: its address, once it is reachable. */
export async function addFloatingIp(cloud: OpenStack, session: Session, server: string): Promise<string> {
  const { ports } = await session.ask('network', 'GET', `/ports?device_id=${server}`);
  const { floatingip } = await session.ask('network', 'POST', '/floatingips', {
    floatingip: {
      floating_network_id: await idOf(session, 'network', 'networks', cloud.networks.public),
      port_id: ports[0].id,
    },
  });
  await poll(
    async () =>
      (await session.ask('network', 'GET', `/floatingips/${floatingip.id}`)).floatingip.status === 'ACTIVE',
    'the floating IP to be active',
    30_000,
  );
  return floatingip.floating_ip_address;
}

/** A key of our own that Nova gives to the servers that name it. */
export interface Key {
  name: string;
  file: string;
  publicKey: string;
  remove(): Promise<void>;
}

export async function makeKey(session: Session, name: string): Promise<Key> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-key-'));
  const file = path.join(folder, 'key');
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', file]);
  const publicKey = (await run('cat', [`${file}.pub`])).stdout.trim();
  await session.ask('compute', 'POST', '/os-keypairs', {
    keypair: { name, type: 'ssh', public_key: publicKey },
  });
  return {
    name,
    file,
    publicKey,
    async remove() {
      rmSync(folder, { recursive: true, force: true });
      await session.call('compute', 'DELETE', `/os-keypairs/${name}`);
    },
  };
}

/** Runs a command on a guest, and gives what it wrote; it throws as long as the guest does not let us in. */
export async function ssh(address: string, key: Key, command: string): Promise<string> {
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'ConnectTimeout=2',
    'BatchMode=yes',
  ];
  const { stdout } = await run(
    'ssh',
    ['-i', key.file, ...options.flatMap((option) => ['-o', option]), `root@${address}`, command],
    { timeout: 20_000 },
  );
  return stdout;
}

/** Waits until a command on a guest succeeds. */
export async function untilSsh(
  address: string,
  key: Key,
  command: string,
  deadline = 120_000,
): Promise<string> {
  const tried = () =>
    ssh(address, key, command).then(
      (stdout) => ({ stdout }),
      () => null,
    );
  return (await poll(tried, `${address} to answer SSH`, deadline)).stdout;
}

/** Deletes every stack, server, floating IP and key pair of the project and user: each file of tests begins and ends with nothing. */
export async function clear(session: Session): Promise<void> {
  const stacks = async () =>
    (await session.ask('orchestration', 'GET', '/stacks')).stacks as { id: string; stack_name: string }[];
  await poll(
    async () => {
      const left = await stacks();
      for (const { id, stack_name: name } of left)
        await session.call('orchestration', 'DELETE', `/stacks/${name}/${id}`);
      return left.length === 0;
    },
    'the stacks to be gone',
    60_000,
  );
  const { servers } = await session.ask('compute', 'GET', '/servers');
  const { floatingips } = await session.ask('network', 'GET', '/floatingips');
  const { keypairs } = await session.ask('compute', 'GET', '/os-keypairs');
  await Promise.all(servers.map(({ id }: { id: string }) => deleteServer(session, id)));
  for (const { id } of floatingips) await session.call('network', 'DELETE', `/floatingips/${id}`);
  for (const { keypair } of keypairs) await session.call('compute', 'DELETE', `/os-keypairs/${keypair.name}`);
}
