import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A server that does on the wire what ours cannot be made to do on purpose: cut connections,
 * refuse in the middle of an upload, come back after a while. Only for such faults.
 */
export async function faultyServer(
  handler: (request: IncomingMessage, response: ServerResponse, turn: number) => void,
): Promise<{ url: string; close(): Promise<void> }> {
  let turn = 0;
  const server = createServer((request, response) => handler(request, response, turn++));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
