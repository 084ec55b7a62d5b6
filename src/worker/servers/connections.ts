import type { Reach } from '../../domain/servers/server.js';
import type { Host } from '../../drivers/hosts/host.js';

/** Opens a connection to a server; `learned` gets its host key when it is first reached. */
export type OpenHost = (server: string, reach: Reach, learned: (hostKey: string) => Promise<void>) => Host;

/** The connections to servers, by name: each is opened when first needed, and closed with the server. */
export class ServerConnections {
  readonly #open: OpenHost;
  readonly #hosts = new Map<string, Host>();

  constructor(open: OpenHost) {
    this.#open = open;
  }

  /** @param learned stores the first key that a server shows */
  of(server: string, reach: Reach, learned: (reach: Reach) => Promise<void>): Host {
    const known = this.#hosts.get(server);
    if (known !== undefined) return known;
    const host = this.#open(server, reach, (hostKey) =>
      reach.by === 'ssh' ? learned({ ...reach, hostKey }) : Promise.resolve(),
    );
    this.#hosts.set(server, host);
    return host;
  }

  /** Closes the connection to a server. */
  async leave(server: string): Promise<void> {
    const host = this.#hosts.get(server);
    this.#hosts.delete(server);
    await host?.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#hosts.values()].map((host) => host.close()));
  }
}
