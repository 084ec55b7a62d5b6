import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A listener on a port: the address to connect to, and the socket, which identifies its owner. */
interface Listening {
  host: string;
  inode: string;
}

const listening = '0A';

/** Who listens on a TCP port of this machine, on whatever address. */
export function listenersOn(port: number): Listening[] {
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => {
    if (!existsSync(file)) return [];
    const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
    return readFileSync(file, 'latin1')
      .split('\n')
      .filter((line) => line.includes(wanted))
      .flatMap((line) => {
        const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
        const [address = '', hex = ''] = local.split(':');
        if (state !== listening || Number.parseInt(hex, 16) !== port) return [];
        return [{ host: hostOf(address), inode }];
      });
  });
}

/** Addresses are hexadecimal words in the machine's byte order, which is little endian on all machines that we support. */
function hostOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.every((byte) => byte === 0) ? '127.0.0.1' : bytes.join('.');
  // An IPv6 socket that listens everywhere may or may not accept IPv4, but always accepts IPv6.
  if (bytes.every((byte) => byte === 0)) return '::1';
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  return groups.join(':');
}

/** True if the process has the socket open, as far as we may see. */
export function hasSocket(pid: number, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
