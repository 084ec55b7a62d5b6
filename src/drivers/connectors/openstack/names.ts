import { nearest } from '../../../lib/nearest.js';
import { ConnectorError } from '../connector.js';
import type { Service, Session } from './session.js';

/** The kinds of names in an order, and where they are listed. */
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

/** The fields of a list's entry that are used. */
export interface Entry {
  id: string;
  name: string;
  'router:external'?: boolean;
  is_default?: boolean;
  project_id?: string;
}

/** Resolves names or ids to ids. */
export interface Names {
  /** The id; an unknown name is refused, with the nearest one that exists. */
  idOf(kind: Kind, name: string): Promise<string>;
  /** The name for a name or an id. */
  nameOf(kind: Kind, name: string): Promise<string>;
  /** Refuses a key pair that does not exist. */
  keyPair(name: string): Promise<string>;
  /** The network that floating IPs are taken from: the one of that name, or with `true` the default or only one. */
  externalNetwork(name: string | true): Promise<string>;
  /** The networks of the project that a server can be in. */
  ownNetworks(): Promise<Entry[]>;
  /** Clears the cache, because something in it was out of date. */
  forget(): void;
}

/** Milliseconds that a list is cached: servers are created in batches, and an image may be replaced under its name. */
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
      // Every project has a security group named default.
      const project = await session.project();
      const own = found.filter(({ project_id }) => project_id === project);
      if (own.length === 1) found = own;
    }
    const [only] = found;
    if (only === undefined) throw unknown(kind, name, among);
    if (found.length > 1)
      throw new ConnectorError(
        'refused',
        `the cloud has ${found.length} ${kind}s named ${name}: use one of the ids ${found.map(({ id }) => id).join(', ')}`,
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
        throw new ConnectorError('refused', 'the cloud has no external network for floating IPs');
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
