import { readFileSync } from 'node:fs';

/** LISTEN, as the kernel's tables of TCP sockets have it. */
const listen = '0A';

/**
 * True if something listens on the TCP port on this machine, over IPv4 or IPv6. It is read from the kernel's own
 * tables: a connection, to try it, would be taken for a client's.
 */
export function isListening(port: number): boolean {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6'].some((table) => {
    let text: string;
    try {
      text = readFileSync(table, 'latin1');
    } catch {
      return false; // a kernel without IPv6
    }
    return text.split('\n').some((line) => {
      const [, local = '', , state] = line.trim().split(/\s+/);
      return state === listen && local.endsWith(`:${wanted}`);
    });
  });
}
