import type { CloudServer, Connector } from '../../connectors/connector.js';
import { messageOf } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import type { Ledger } from './ledger.js';

export interface ReconcileOptions {
  ledger: Ledger;
  store: Store['servers'];
  /** Marks what this installation has made. */
  instance: string;
  connectors(): ReadonlyMap<string, Connector>;
  /** A server is of no use any more, behind our back: what runs there is lost. */
  lost(server: ServerRow, reason: string): Promise<void>;
  log: Logger;
}

/** So many looks in a row must agree before anything is deleted, or given up. */
const looks = 2;

/** What a cloud's own state means for a server that the ledger counts on. */
const broken: Partial<Record<CloudServer['state'], (server: CloudServer) => string>> = {
  error: ({ fault }) => `the cloud says that it is in error: ${fault ?? 'no reason is given'}`,
  stopped: () => 'it was stopped behind our back',
  deleting: () => 'it is being deleted behind our back',
};

/**
 * Compares the ledger with the clouds. A server that a cloud has not any more, or that is broken there, is given up; one
 * that carries our mark, and that no row needs, is a leak, and is deleted at the second look. What carries no mark of ours is
 * never touched.
 */
export class Reconciler {
  readonly #options: ReconcileOptions;
  /** Leaks, by connector and id, and how often they were seen. */
  #leaks = new Map<string, number>();

  constructor(options: ReconcileOptions) {
    this.#options = options;
  }

  /** One look at every cloud. One that does not answer is left for the next. */
  async look(): Promise<void> {
    const seen = new Map<string, number>();
    for (const [name, connector] of this.#options.connectors()) {
      try {
        const servers = await connector.list();
        await this.#compare(name, servers);
        for (const leak of await this.#untracked(servers)) {
          const key = `${name}:${leak.id}`;
          const times = (this.#leaks.get(key) ?? 0) + 1;
          seen.set(key, times);
          if (times < looks) continue;
          this.#options.log.warn(
            { server: leak.name, id: leak.id },
            'a server of ours that nobody needs is deleted',
          );
          await connector.delete({ name: leak.name, id: leak.id });
        }
      } catch (error) {
        for (const [key, times] of this.#leaks) if (key.startsWith(`${name}:`)) seen.set(key, times);
        this.#options.log.warn(
          { connector: name, error: messageOf(error) },
          'the servers of a cloud cannot be listed',
        );
      }
    }
    this.#leaks = seen;
  }

  /**
   * Deletes, now, the servers that nobody here needs.
   *
   * @param all also those that carry no mark of ours: every server of the project that the ledger does not know
   * @param dry they are only listed
   * @returns their ids, and what could not be deleted, with why; throws for a cloud that does not tell what it has, before
   *   anything is deleted anywhere
   */
  async clear(
    all: boolean,
    dry: boolean,
  ): Promise<{ deleted: string[]; failed: { id: string; reason: string }[] }> {
    const deleted: string[] = [];
    const failed: { id: string; reason: string }[] = [];
    const connectors = [...this.#options.connectors().values()];
    const listed = await Promise.all(
      connectors.map(async (connector) => ({ connector, servers: await connector.list() })),
    );
    for (const { connector, servers } of listed) {
      for (const { id, name } of await this.#untracked(servers, all)) {
        try {
          if (!dry) await connector.delete({ name, id, foreign: all });
          deleted.push(id);
        } catch (error) {
          failed.push({ id, reason: messageOf(error) });
        }
      }
    }
    return { deleted, failed };
  }

  /** Servers that no row of the ledger needs: ours, or all. One that is being made is known by its name. */
  async #untracked(servers: readonly CloudServer[], all = false): Promise<CloudServer[]> {
    const { ledger, instance } = this.#options;
    const rows = ledger.held();
    const needed = new Set(
      rows.flatMap(({ name, cloudId }) => (cloudId === null ? [name] : [name, cloudId])),
    );
    return servers.filter(
      ({ id, name, instance: owner, state }) =>
        (all || owner === instance) && state !== 'deleting' && !needed.has(id) && !needed.has(name),
    );
  }

  async #compare(connector: string, servers: readonly CloudServer[]): Promise<void> {
    const { ledger, lost } = this.#options;
    const byId = new Map(servers.map((server) => [server.id, server]));
    for (const row of ledger.held()) {
      const counted = row.state === 'ready' || row.state === 'busy' || row.state === 'idle';
      if (row.connector !== connector || !counted || row.cloudId === null) continue;
      const found = byId.get(row.cloudId);
      const reason = found === undefined ? 'it was deleted behind our back' : broken[found.state]?.(found);
      if (reason === undefined) {
        if (row.missing > 0) await ledger.note(row.id, { missing: 0 });
      } else if (row.missing + 1 < looks) await ledger.note(row.id, { missing: row.missing + 1 });
      else await lost(row, reason);
    }
  }
}
