import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A server below HTTP, for answers that no web server would give. */
export interface RawServer {
  port: number;
  /** How many connections there were, and how many are there now. */
  counts: { ever: number; now: number };
  close(): Promise<void>;
}

/** Starts one on 127.0.0.1 that does with each connection what it is told to, once something has arrived. */
export async function rawServer(serve: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const counts = { ever: 0, now: 0 };
  const server = createServer((socket) => {
    sockets.add(socket);
    counts.ever += 1;
    counts.now += 1;
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      counts.now -= 1;
    });
    socket.once('data', () => serve(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
