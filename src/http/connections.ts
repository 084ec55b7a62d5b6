import type { RequestListener } from 'node:http';
import type { Server, Socket } from 'node:net';
import { networkOf } from '../domain/network.js';

/** So many connections beyond the bound are told why they are closed. The rest are closed at once. */
const told = 32;
/** How long they may take to ask, in milliseconds. */
const patience = 1000;

/**
 * Bounds the connections that one address has at a time.
 *
 * @param most Infinity where all clients come from one address, as behind a proxy
 * @param refuse answers a request that came on a connection too many; its `socket` ends with the answer
 * @returns what makes a listener of requests hear only those that came on connections within the bound
 */
export function boundConnections(
  server: Server,
  most: number,
  refuse: RequestListener,
): (listener: RequestListener) => RequestListener {
  const counts = new Map<string, number>();
  /** By address and port: under TLS a request knows another socket than the one that was taken. */
  const tooMany = new Set<string>();
  server.on('connection', (socket: Socket) => {
    // It can be gone already.
    const network = networkOf(socket.remoteAddress ?? '');
    const count = (counts.get(network) ?? 0) + 1;
    counts.set(network, count);
    socket.once('close', () => {
      const left = (counts.get(network) ?? 1) - 1;
      if (left === 0) counts.delete(network);
      else counts.set(network, left);
    });
    if (count <= most) return;
    if (count > most + told) {
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    tooMany.add(name);
    const timer = setTimeout(() => socket.destroy(), patience);
    socket.once('close', () => {
      clearTimeout(timer);
      tooMany.delete(name);
    });
  });
  return (listener) => (request, response) =>
    (tooMany.has(nameOf(request.socket)) ? refuse : listener)(request, response);
}

const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
