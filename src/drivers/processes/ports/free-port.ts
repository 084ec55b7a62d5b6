import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { PenstockError } from '../../../lib/errors.js';
import { listenersOn } from './listeners.js';

/** Well-known services use the ports below. */
const lowest = 10_000;

/** Ports of 127.0.0.1 taken by our runs, with the attempt's folder. */
const held = new Map<number, string>();

/** The first port of the kernel's ephemeral range, whose ports come and go all the time. */
function fleeting(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]) || 32_768;
  } catch {
    return 32_768;
  }
}

const canListen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    // On every address, IPv4 and IPv6 if the machine has both.
    server.listen(port, () => server.close(() => resolve(true)));
  });

/**
 * A free port for the attempt with that folder: no other attempt gets it before `releasePorts`. The program must listen
 * on it soon, since strangers do not know that it is taken.
 */
export async function takeFreePort(folder: string): Promise<number> {
  const end = Math.max(fleeting(), lowest + 1000);
  const count = end - lowest;
  const first = Math.floor(Math.random() * count);
  for (let step = 0; step < count; step += 1) {
    const port = lowest + ((first + step) % count);
    if (held.has(port)) continue;
    held.set(port, folder);
    if (await canListen(port)) return port;
    held.delete(port);
  }
  throw new Error(`there is no free port from ${lowest} to ${end - 1}`);
}

/**
 * Takes a given port for an attempt. Throws `conflict` if anybody else has it, since everything sent there is meant for
 * the program.
 */
export function takePort(port: number, folder: string): void {
  const holder = held.get(port);
  if (holder === folder) return;
  if (holder !== undefined)
    throw new PenstockError('conflict', `the port ${port} is taken by another job's program`);
  if (listenersOn(port).length > 0) {
    throw new PenstockError('conflict', `another program is already listening on the port ${port}`);
  }
  held.set(port, folder);
}

/** Releases the ports of an attempt. */
export function releasePorts(folder: string): void {
  for (const [port, holder] of held) if (holder === folder) held.delete(port);
}
