import type { CloudServer, ServerReference } from '../connector.js';
import { isMissing, problemOfFault } from './problems.js';
import type { Session } from './session.js';

/** The metadata key that says which installation created a server. */
export const instanceKey = 'penstock-instance';

/** The fields of Nova's servers that are used. */
export interface NovaServer {
  id: string;
  name: string;
  status: string;
  created: string;
  metadata: Readonly<Record<string, string>>;
  addresses: Readonly<
    Record<string, { addr: string; version: number; 'OS-EXT-IPS:type'?: 'fixed' | 'floating' }[]>
  >;
  fault?: { code: number; message: string };
  'OS-EXT-STS:task_state'?: string | null;
  'OS-SRV-USG:launched_at'?: string | null;
}

/** Nova's states; any other state means that the server does not run. */
const states: Readonly<Record<string, CloudServer['state']>> = {
  BUILD: 'building',
  REBUILD: 'building',
  ACTIVE: 'active',
  REBOOT: 'active',
  HARD_REBOOT: 'active',
  PASSWORD: 'active',
  MIGRATING: 'active',
  ERROR: 'error',
  DELETED: 'deleting',
  SOFT_DELETED: 'deleting',
};

export function shown(server: NovaServer): CloudServer {
  const { id, name, status, metadata, fault } = server;
  const deleting = server['OS-EXT-STS:task_state'] === 'deleting';
  // Nova reports a failure a moment before its reason; a server that failed later has been launched.
  const state = deleting
    ? 'deleting'
    : isUnexplained(server) && !server['OS-SRV-USG:launched_at']
      ? 'building'
      : (states[status] ?? 'stopped');
  const words = state === 'error' ? (fault?.message.trim() ?? 'the cloud gives no reason') : null;
  return {
    id,
    name,
    instance: metadata[instanceKey] ?? null,
    state,
    fault: words,
    problem: words === null ? null : problemOfFault(words),
  };
}

const isUnexplained = ({ status, fault }: NovaServer) => status === 'ERROR' && fault === undefined;

/**
 * All servers of the project. Nova's list lacks the fault of a server that never reached a compute host: those are read
 * one by one, if they belong to the installation.
 */
export async function listServers(session: Session, instance: string): Promise<NovaServer[]> {
  const listed = (await session.all('compute', '/servers/detail', 'servers')) as NovaServer[];
  return await Promise.all(
    listed.map(async (server) =>
      isUnexplained(server) && server.metadata[instanceKey] === instance
        ? ((await serverOf(session, server.id)) ?? server)
        : server,
    ),
  );
}

/** The server with an id; null if there is none. */
export async function serverOf(session: Session, id: string): Promise<NovaServer | null> {
  try {
    const { server } = (await session.request('compute', 'GET', `/servers/${encodeURIComponent(id)}`)) as {
      server: NovaServer;
    };
    return server;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** All servers with the name, oldest first. */
export async function serversNamed(session: Session, name: string): Promise<NovaServer[]> {
  // Nova treats the name as a regular expression in its database's dialect, so we compare again.
  const pattern = `^${name.replace(/[^A-Za-z0-9_-]/g, '.')}$`;
  const found = (await session.all('compute', '/servers/detail', 'servers', {
    name: pattern,
  })) as NovaServer[];
  return found
    .filter((server) => server.name === name)
    .sort((a, b) => a.created.localeCompare(b.created) || a.id.localeCompare(b.id));
}

/** The installation's server with this id, or else its oldest of this name. */
export async function ownServer(
  session: Session,
  { id, name }: ServerReference,
  instance: string,
): Promise<NovaServer | null> {
  if (id === null) {
    const named = await serversNamed(session, name);
    const own = named.find((server) => server.metadata[instanceKey] === instance);
    return own === undefined || !isUnexplained(own) ? (own ?? null) : await serverOf(session, own.id);
  }
  const server = await serverOf(session, id);
  return server?.metadata[instanceKey] === instance ? server : null;
}

/**
 * A server's own address: from these networks in order, or else from any; IPv4 before IPv6.
 *
 * @param networks their names
 */
export function fixedAddress({ addresses }: NovaServer, networks: readonly string[]): string | null {
  const ordered = [...networks.filter((name) => name in addresses), ...Object.keys(addresses)];
  const own = ordered
    .flatMap((name) => addresses[name] ?? [])
    .filter((each) => each['OS-EXT-IPS:type'] !== 'floating');
  return (own.find(({ version }) => version === 4) ?? own[0])?.addr ?? null;
}
