import type { RequestListener } from 'node:http';
import type { Server, Socket } from 'node:net';
import { networkOf } from '../../lib/network.js';
import { openCounts } from '../counts.js';

/** How many connections beyond the limit get an answer that says why. The rest are closed at once. */
const told = 32;
/** How long these may take to send a request, in milliseconds. */
const patience = 1000;

/**
 * Limits the connections that one address may have at a time.
 *
 * @param most Infinity if all clients come from one address, as behind a proxy
 * @param refuse answers a request on a connection beyond the limit, and ends the connection
 * @returns wraps a request listener so that it only gets requests on connections within the limit
 */
export function boundConnections(
  server: Server,
  most: number,
  refuse: RequestListener,
): (listener: RequestListener) => RequestListener {
  const counts = openCounts<string>();
  /** By address and port, because with TLS the socket of a request is not the one of the connection event. */
  const tooMany = new Set<string>();
  server.on('connection', (socket: Socket) => {
    // The address is undefined if the client has already disconnected.
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
