import { createHash } from 'node:crypto';

/** The kind of a host key, such as `ssh-ed25519`: the first string of its blob. */
function kindOf(key: Buffer): string {
  return key.length < 4 ? '' : key.toString('latin1', 4, 4 + key.readUInt32BE(0));
}

/** A host key as `known_hosts` and `*.pub` files have it: `ssh-ed25519 AAAA…`. */
export const hostKeyLine = (key: Buffer): string => `${kindOf(key)} ${key.toString('base64')}`;

/** A host key's fingerprint as `ssh-keygen -l` shows it: `SHA256:…`. A fingerprint is returned as it is. */
export function fingerprintOf(key: Buffer | string): string {
  if (typeof key === 'string') {
    const [first = '', second] = key.trim().split(/\s+/);
    return first.startsWith('SHA256:') || second === undefined
      ? first.replace(/=+$/, '')
      : fingerprintOf(Buffer.from(second, 'base64'));
  }
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Kinds of host keys in the order in which they are asked for. */
const kinds = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
] as const;

/** The order in which to ask for kinds: a server has several keys, and must show the one that is known. */
export function keyOrder(known: string | null): (typeof kinds)[number][] {
  const kind = known?.trim().split(/\s+/)[0] ?? '';
  const first = kinds.filter((each) => each === kind || (kind === 'ssh-rsa' && each.startsWith('rsa-')));
  return [...first, ...kinds.filter((each) => !first.includes(each))];
}
