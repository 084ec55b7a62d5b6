import { ConnectorError } from '../connector.js';
import type { Names } from './names.js';
import { isMissing } from './problems.js';
import type { Session } from './session.js';

interface FloatingIp {
  id: string;
  floating_ip_address: string;
  port_id: string | null;
  description: string;
}

/** A floating IP of ours, and the name of the server that it was taken for. */
interface Marked {
  id: string;
  address: string;
  server: string;
  port: string | null;
}

/** Floating IPs that are allocated for our servers and released with them. Those in use by others are left alone. */
interface FloatingIps {
  /** All of ours. */
  list(): Promise<Marked[]>;
  /** A server's address: one is allocated unless it has one. Null while the server has no port for it. */
  give(name: string, id: string, pool: string | true): Promise<string | null>;
  /** Releases what was allocated for the server. True when nothing is left. */
  release(name: string): Promise<boolean>;
  /** Releases one of ours by its id. */
  releaseOne(id: string): Promise<void>;
}

export function openFloatingIps(session: Session, names: Names, instance: string): FloatingIps {
  // Set in the request that allocates it, so that none is ever lost, whatever happens next.
  const mark = `penstock-instance=${instance} server=`;

  async function list(): Promise<Marked[]> {
    const found = (await session.all('network', '/floatingips', 'floatingips')) as FloatingIp[];
    return found
      .filter(({ description }) => description?.startsWith(mark))
      .map(({ id, floating_ip_address, port_id, description }) => ({
        id,
        address: floating_ip_address,
        server: description.slice(mark.length),
        port: port_id,
      }));
  }
  const of = async (name: string) => (await list()).filter(({ server }) => server === name);

  return {
    list,
    async give(name, id, pool) {
      const [taken] = await of(name);
      if (taken !== undefined && taken.port !== null) return taken.address;
      const port = await portOf(session, id);
      if (port === null) return null;
      if (taken !== undefined) {
        await session.request('network', 'PUT', `/floatingips/${taken.id}`, {
          body: { floatingip: { port_id: port } },
        });
        return taken.address;
      }
      const floating_network_id = await names.externalNetwork(pool);
      const wish = { floating_network_id, port_id: port, description: `${mark}${name}` };
      const { floatingip } = (await session
        .request('network', 'POST', '/floatingips', { body: { floatingip: wish } })
        .catch((error: unknown) => {
          if (!isMissing(error)) throw error;
          names.forget();
          throw new ConnectorError(
            'refused',
            `a floating IP cannot be assigned to server ${name}: ${(error as Error).message}`,
          );
        })) as { floatingip: FloatingIp };
      return floatingip.floating_ip_address;
    },
    async release(name) {
      const taken = await of(name);
      for (const { id } of taken) await remove(session, `/floatingips/${id}`);
      return taken.length === 0 || (await of(name)).length === 0;
    },
    async releaseOne(id) {
      if ((await list()).some((each) => each.id === id)) await remove(session, `/floatingips/${id}`);
    },
  };
}

/** The port of a server that gets the floating IP: the first with an IPv4 address. */
async function portOf(session: Session, server: string): Promise<string | null> {
  const ports = (await session.all('network', '/ports', 'ports', { device_id: server })) as {
    id: string;
    fixed_ips: { ip_address: string }[];
  }[];
  return (
    ports.find(({ fixed_ips }) => fixed_ips.some(({ ip_address }) => ip_address.includes('.')))?.id ?? null
  );
}

/** Deletes the resource at a path of Neutron; it may already be gone. */
async function remove(session: Session, path: string): Promise<void> {
  await session.request('network', 'DELETE', path).catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** Deletes the ports that a deleted server left behind. True when there are none. */
export async function removePorts(session: Session, server: string): Promise<boolean> {
  const left = (await session.all('network', '/ports', 'ports', { device_id: server })) as { id: string }[];
  for (const { id } of left) await remove(session, `/ports/${id}`);
  return left.length === 0;
}
