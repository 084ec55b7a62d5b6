import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/** Where the kernel takes ports for connections from, which come and go all the time, and for servers on port 0. */
const [fleeting = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  .split(/\s/)
  .map(Number);
/** Well-known services use the ports below. */
const lowest = 10_000;
/** Files of tests that run at once each take theirs from a part of their own. */
const parts = 4;
const part = Number(process.env.VITEST_POOL_ID ?? 0) % parts;
const size = Math.floor((fleeting - lowest) / parts);
let next = Math.floor(Math.random() * size);

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/**
 * Ports of 127.0.0.1 for what goes down and comes back, or is started by others: nobody else is given them in
 * between, as may happen to one that the kernel chose.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; tries < size && found.length < count; tries += 1) {
    const port = lowest + part * size + next;
    next = (next + 1) % size;
    if (await isFree(port)) found.push(port);
  }
  if (found.length < count)
    throw new Error(`there are no ${count} free ports between ${lowest} and ${fleeting}`);
  return found;
}
