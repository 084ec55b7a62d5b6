import { lookup } from 'node:dns/promises';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** Addresses that are not the public internet (IANA's special-purpose registries). */
const notPublic = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv4');
}
for (const [network, prefix] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const) {
  notPublic.addSubnet(network, prefix, 'ipv6');
}

/** True for an address of the public internet. */
function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  return family !== 0 && !notPublic.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** A checked address that we may connect to. */
export interface Address {
  address: string;
  family: number;
}

/** What can be wrong with a URL that a user wants us to call. */
export type Flaw = 'malformed' | 'scheme' | 'credentials';

/** Reads a URL that we will call: http or https, without a login, which would end up in logs. */
export function readUrl(
  text: string,
  base?: URL,
): { url: URL } | { url?: undefined; flaw: Flaw; scheme: string } {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    return { flaw: 'malformed', scheme: '' };
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https') return { flaw: 'scheme', scheme };
  if (url.username !== '' || url.password !== '') return { flaw: 'credentials', scheme };
  return { url };
}

/** The host for the resolver: without the brackets of IPv6. */
export const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** True if a URL is private without any look-up: a literal private address, or localhost. */
export function isPlainlyPrivate(url: URL): boolean {
  const host = hostOf(url);
  return isIP(host) === 0 ? /^(.*\.)?localhost\.?$/.test(host) : !isPublicAddress(host);
}

/**
 * The addresses that we may connect to, in the resolver's order. Connect to these very addresses: the name may resolve
 * to others later.
 *
 * @returns `unknown` if the name does not resolve, `private` if it resolves to no public address
 */
export async function findAddresses(
  host: string,
  allowPrivate: boolean,
): Promise<[Address, ...Address[]] | 'unknown' | 'private'> {
  let found: Address[];
  try {
    found = await lookup(host, { all: true });
  } catch {
    return 'unknown';
  }
  const [first, ...others] = found.filter(({ address }) => allowPrivate || isPublicAddress(address));
  return first === undefined ? 'private' : [first, ...others];
}

/** A look-up function for a connection that always returns the checked addresses. */
export function pinned(addresses: readonly [Address, ...Address[]]): LookupFunction {
  return (_host, options, callback) => {
    if (options.all) callback(null, [...addresses]);
    else callback(null, addresses[0].address, addresses[0].family);
  };
}
