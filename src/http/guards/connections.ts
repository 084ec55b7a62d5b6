import type { RequestListener } from 'node:http';
import type { Server, Socket } from 'node:net';
import { networkOf } from '../../lib/network.js';
import { openCounts } from '../counts.js';

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
  const counts = openCounts<string>();
  /** By address and port: under TLS a request knows another socket than the one that was taken. */
  const tooMany = new Set<string>();
  server.on('connection', (socket: Socket) => {
    // It can be gone already.
    const network = networkOf(socket.remoteAddress ?? '');
    const count = counts.add(network, 1);
    socket.once('close', () => counts.add(network, -1));
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
