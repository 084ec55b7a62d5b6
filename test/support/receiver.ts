import http from 'node:http';
import { freePorts } from './ports.js';

/** A request that a receiver got. */
export interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
}
/** How a receiver answers; undefined accepts. It may also not answer at all. */
export type Behave = (
  request: Received,
  response: http.ServerResponse,
) => number | undefined | Promise<number | undefined>;

/** A real web server that takes webhooks, on a port that it keeps while it is down. */
export interface Receiver {
  url: string;
  /** All that it accepted with 2xx, in order. */
  accepted: Received[];
  /** All that reached it. */
  seen: Received[];
  behave: Behave;
  down(): Promise<void>;
  up(): Promise<void>;
}

/** Starts one. `behave` gives the status, or null where it has answered by itself. */
export async function startReceiver(behave: Behave = () => 204): Promise<Receiver> {
  let server: http.Server;
  const [port = 0] = await freePorts(1);
  const receiver: Receiver = {
    url: `http://127.0.0.1:${port}`,
    accepted: [],
    seen: [],
    behave,
    async down() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
    async up() {
      server = http.createServer(async (request, response) => {
        const pieces: Buffer[] = [];
        try {
          for await (const piece of request) pieces.push(piece as Buffer);
        } catch {
          return;
        }
        const received: Received = {
          path: request.url ?? '',
          headers: request.headers as Record<string, string>,
          body: Buffer.concat(pieces).toString(),
        };
        receiver.seen.push(received);
        const status = await receiver.behave(received, response);
        if (status === undefined) return;
        if (status < 300) receiver.accepted.push(received);
        if (!response.headersSent) response.writeHead(status).end();
      });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
      });
    },
  };
  await receiver.up();
  return receiver;
}
