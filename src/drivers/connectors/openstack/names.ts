import { nearest } from '../../../lib/nearest.js';
import { ConnectorError } from '../connector.js';
import type { Service, Session } from './session.js';

/** What is named in an order, and where the names are. */
const kinds = {
  image: { service: 'image', path: '/images', key: 'images', query: { limit: '500' } },
  flavor: { service: 'compute', path: '/flavors', key: 'flavors', query: {} },
  network: { service: 'network', path: '/networks', key: 'networks', query: {} },
  'security group': { service: 'network', path: '/security-groups', key: 'security_groups', query: {} },
} as const satisfies Record<
  string,
  { service: Service; path: string; key: string; query: Record<string, string> }
>;

export type Kind = keyof typeof kinds;

/** One entry of a list, as far as it is looked at. */
export interface Entry {
  id: string;
  name: string;
  'router:external'?: boolean;
  is_default?: boolean;
  project_id?: string;
}

/** Finds ids by names, or by the ids themselves. */
export interface Names {
  /** The id; an unknown name is refused, with the nearest that there is. */
  idOf(kind: Kind, name: string): Promise<string>;
  /** The name of what a name or an id means. */
  nameOf(kind: Kind, name: string): Promise<string>;
  /** Refuses a key pair that is not there. */
  keyPair(name: string): Promise<string>;
  /** The network that floating IPs are taken from: the one of that name, or with `true` the default one, or the only one. */
  externalNetwork(name: string | true): Promise<string>;
  /** The networks of the project that a server can be in. */
  ownNetworks(): Promise<Entry[]>;
  /** Forgets what it remembers: something of it was not right any more. */
  forget(): void;
}

/** Milliseconds that a list is good for: servers are made in bunches, and an image may be replaced under its name. */
const goodFor = 30_000;

export function openNames(session: Session): Names {
  const remembered = new Map<Kind, { until: number; entries: Promise<Entry[]> }>();

  function entriesOf(kind: Kind): Promise<Entry[]> {
    const known = remembered.get(kind);
    if (known !== undefined && known.until > performance.now()) return known.entries;
    const { service, path, key, query } = kinds[kind];
    const entries = session.all(service, path, key, query) as Promise<Entry[]>;
    remembered.set(kind, { until: performance.now() + goodFor, entries });
    entries.catch(() => remembered.delete(kind));
    return entries;
  }

  async function find(kind: Kind, name: string, among: readonly Entry[]): Promise<Entry> {
    const byId = among.find(({ id }) => id === name);
    if (byId !== undefined) return byId;
    let found = among.filter((each) => each.name === name);
    if (found.length > 1) {
      // Everybody has a security group named default.
      const project = await session.project();
      const own = found.filter(({ project_id }) => project_id === project);
      if (own.length === 1) found = own;
    }
    const [only] = found;
    if (only === undefined) throw unknown(kind, name, among);
    if (found.length > 1)
      throw new ConnectorError(
        'refused',
        `the cloud has ${found.length} ${kind}s named ${name}: give the id of one: ${found.map(({ id }) => id).join(', ')}`,
      );
    return only;
  }

  const names: Names = {
    async idOf(kind, name) {
      return (await find(kind, name, await entriesOf(kind))).id;
    },
    async nameOf(kind, name) {
      return (await find(kind, name, await entriesOf(kind))).name;
    },
    async keyPair(name) {
      const listed = (await session.all('compute', '/os-keypairs', 'keypairs')) as {
        keypair: { name: string };
      }[];
      const known = listed.map(({ keypair }) => ({ id: keypair.name, name: keypair.name }));
      if (!known.some((each) => each.name === name)) throw unknown('key pair', name, known);
      return name;
    },
    async externalNetwork(name) {
      const external = (await entriesOf('network')).filter((each) => each['router:external'] === true);
      if (name !== true) return (await find('network', name, external)).id;
      const found = external.find(({ is_default }) => is_default === true) ?? external[0];
      if (found === undefined)
        throw new ConnectorError(
          'refused',
          'the cloud has no external network that floating IPs could be of',
        );
      return found.id;
    },
    async ownNetworks() {
      const project = await session.project();
      return (await entriesOf('network')).filter(
        (each) => each['router:external'] !== true && each.project_id === project,
      );
    },
    forget: () => remembered.clear(),
  };
  return names;
}

const most = 10;

function unknown(kind: string, name: string, among: readonly Entry[]): ConnectorError {
  const words = [...new Set(among.map((each) => each.name))].sort();
  const close = nearest(name, words);
  const there =
    words.length === 0
      ? 'it has none'
      : `it has ${words.slice(0, most).join(', ')}${words.length > most ? ', …' : ''}`;
  return new ConnectorError(
    'refused',
    `the cloud has no ${kind} ${name}${close === undefined ? '' : `: is ${close} meant?`} (${there})`,
  );
}
