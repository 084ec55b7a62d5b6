import {
  type CloudServer,
  type Connector,
  ConnectorError,
  type Reach,
  type ServerOrder,
} from './connector.js';
import { openFloatingIps, removePorts } from './openstack/floating-ips.js';
import { openNames } from './openstack/names.js';
import { type OpenStackOptions, openStack } from './openstack/open.js';
import { isMissing, OpenStackError, problemOfFault } from './openstack/problems.js';
import {
  fixedAddress,
  instanceKey,
  listServers,
  type NovaServer,
  ownServer,
  serverOf,
  serversNamed,
  shown,
} from './openstack/servers.js';

type NovaOptions = OpenStackOptions;

/** The prefix of the id under which a leftover floating IP of a deleted server is listed. */
const addressPrefix = 'address/';
/** The most that Nova accepts, in base64. */
const mostUserData = 65_535;

/**
 * OpenStack servers created by Nova, with floating IPs from Neutron. Each carries our instance id in its metadata; its
 * floating IP carries it in the description.
 *
 * @param instance the id that marks our servers
 */
export function novaConnector(options: NovaOptions, { instance }: { instance: string }): Connector {
  const session = openStack(options);
  const names = openNames(session);
  const floatingIps = openFloatingIps(session, names, instance);
  const isOurs = (server: NovaServer) => server.metadata[instanceKey] === instance;

  /** The body of a create, with every name resolved. */
  async function wish(order: ServerOrder): Promise<unknown> {
    const { name, image, flavor, keyName, networks, securityGroups, userData, floatingIp, more } = order;
    if (image === null || flavor === null)
      throw new ConnectorError(
        'refused',
        `server ${name}: ${image === null ? 'an image' : 'a flavor'} is missing`,
      );
    const user_data = userData === null ? null : Buffer.from(userData).toString('base64');
    if (user_data !== null && user_data.length > mostUserData)
      throw new ConnectorError(
        'refused',
        `server ${name}: the user data is larger than Nova's limit of 49151 bytes`,
      );
    const [imageRef, flavorRef, key_name, nets, groups] = await Promise.all([
      names.idOf('image', image),
      names.idOf('flavor', flavor),
      keyName === null ? null : names.keyPair(keyName),
      Promise.all(networks.map((each) => names.idOf('network', each))),
      Promise.all(securityGroups.map((each) => names.idOf('security group', each))),
      // A wrong name is found before there is a server.
      floatingIp === false ? null : names.externalNetwork(floatingIp),
    ]);
    const { metadata = {}, ...others } = more as { metadata?: Record<string, string> };
    return {
      server: {
        ...others,
        name,
        imageRef,
        flavorRef,
        ...(key_name === null ? {} : { key_name }),
        ...(nets.length === 0 ? {} : { networks: nets.map((uuid) => ({ uuid })) }),
        ...(groups.length === 0 ? {} : { security_groups: groups.map((id) => ({ name: id })) }),
        ...(user_data === null ? {} : { user_data }),
        metadata: { ...metadata, [instanceKey]: instance },
      },
    };
  }

  /** The names of networks in the order in which to choose an address; a single network needs no order. */
  const inOrder = (networks: readonly string[]) =>
    Promise.all(networks.length < 2 ? [] : networks.map((each) => names.nameOf('network', each)));

  /** The servers to delete: the one with the id, and all of ours with the name, which may be several. */
  async function targets({
    id,
    name,
    foreign = false,
    only = false,
  }: Parameters<Connector['delete']>[0]): Promise<NovaServer[]> {
    const known = id === null || id.startsWith(addressPrefix) ? null : await serverOf(session, id);
    if (only) return known !== null && isOurs(known) ? [known] : [];
    // Of another installation's servers only this one: one of ours may have the same name.
    if (foreign && (known === null || !isOurs(known))) return known === null ? [] : [known];
    const found = (await serversNamed(session, name)).filter(isOurs);
    if (known === null || found.some((each) => each.id === known.id)) return found;
    if (isOurs(known)) return [...found, known];
    throw new ConnectorError(
      'refused',
      `server ${known.name} (${known.id}) is not ours: it does not carry the instance id ${instance}`,
    );
  }

  return {
    async create(order) {
      const body = await wish(order);
      const [made] = (await serversNamed(session, order.name)).filter(isOurs);
      if (made !== undefined) return made.id;
      try {
        const { server } = (await session.request('compute', 'POST', '/servers', { body })) as {
          server: { id: string };
        };
        return server.id;
      } catch (error) {
        // A name may have changed its meaning.
        if (error instanceof OpenStackError && error.status < 500) names.forget();
        throw error;
      }
    },

    async list() {
      const [servers, addresses] = await Promise.all([listServers(session, instance), floatingIps.list()]);
      const listed = servers.map(shown);
      const named = new Set(servers.filter(isOurs).map(({ name }) => name));
      const left = addresses.filter(({ server }) => !named.has(server));
      return [...listed, ...left.map((each): CloudServer => leftover(each, instance))];
    },

    async reach(reference, order): Promise<Reach | null> {
      const server = await ownServer(session, reference, instance);
      if (server === null) throw new ConnectorError('refused', `server ${reference.name} is gone`);
      const { state, fault } = shown(server);
      if (state === 'error')
        throw new ConnectorError(
          problemOfFault(fault ?? '') ?? 'refused',
          `server ${reference.name}: ${fault}`,
        );
      if (state !== 'active') return null;
      const address =
        order.floatingIp === false
          ? fixedAddress(server, await inOrder(order.networks))
          : await floatingIps.give(reference.name, server.id, order.floatingIp);
      return address === null ? null : { by: 'ssh', address, port: 22, user: null, hostKey: null };
    },

    async delete(reference) {
      const servers = await targets(reference);
      for (const { id } of servers)
        await session.request('compute', 'DELETE', `/servers/${id}`).catch((error: unknown) => {
          if (!isMissing(error)) throw error;
        });
      const { id, name, foreign = false, only = false } = reference;
      if (id?.startsWith(addressPrefix)) await floatingIps.releaseOne(id.slice(addressPrefix.length));
      if (only || (foreign && !servers.some(isOurs))) return servers.length === 0;
      const released = await floatingIps.release(name);
      if (servers.length > 0 || !released) return false;
      return id === null || id.startsWith(addressPrefix) || (await removePorts(session, id));
    },

    close: () => session.close(),
  };
}

/** A floating IP without its server, shown as the rest of that server: deleting it releases the address. */
function leftover(
  { id, server, address }: { id: string; server: string; address: string },
  instance: string,
) {
  return {
    id: `${addressPrefix}${id}`,
    name: server,
    instance,
    state: 'error',
    fault: `only the floating IP ${address} of this server is left`,
    problem: null,
  } as const;
}
