import { setTimeout as delay } from 'node:timers/promises';
import {
  type CloudServer,
  type Connector,
  ConnectorError,
  type ServerReference,
} from '../../drivers/connectors/connector.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import type { Ledger } from './ledger.js';

interface ReconcileOptions {
  ledger: Ledger;
  store: Store['servers'];
  /** Marks what this installation has made. */
  instance: string;
  connectors(): ReadonlyMap<string, Connector>;
  /** A server became useless behind our back: whatever runs there is lost. */
  lost(server: ServerRow, reason: string): Promise<void>;
  log: Logger;
}

/** How many checks in a row must agree before anything is deleted or given up. */
const looks = 2;

/** Milliseconds that `clear` may take: the caller waits for the answer. */
const clearPatience = 30_000;
/** The pause between two requests to a cloud. */
const askPause = 500;

/** What a cloud's state means for a server that the ledger counts as usable. */
const broken: Partial<Record<CloudServer['state'], (server: CloudServer) => string>> = {
  error: ({ fault }) => `the cloud reports an error: ${fault ?? 'no reason is given'}`,
  stopped: () => 'it was stopped behind our back',
  deleting: () => 'it is being deleted behind our back',
};

/**
 * Compares the ledger with the clouds. A server that is missing or broken in the cloud is given up. A server with our
 * mark that no row needs is a leak: it is deleted from the second check on, until it is gone. A server without our mark
 * is never touched.
 */
export class Reconciler {
  readonly #options: ReconcileOptions;
  /** Leaks by connector and id, with how many times they were seen. */
  #leaks = new Map<string, number>();

  constructor(options: ReconcileOptions) {
    this.#options = options;
  }

  /** Checks every cloud once. A cloud that does not answer is left for the next check. */
  async look(): Promise<void> {
    const seen = new Map<string, number>();
    for (const [name, connector] of this.#options.connectors()) {
      try {
        const servers = await connector.list();
        await this.#compare(name, servers);
        for (const leak of this.#untracked(servers)) {
          const key = `${name}:${leak.id}`;
          const times = (this.#leaks.get(key) ?? 0) + 1;
          seen.set(key, times);
          if (times >= looks) await this.#remove(connector, leak);
        }
      } catch (error) {
        for (const [key, times] of this.#leaks) if (key.startsWith(`${name}:`)) seen.set(key, times);
        this.#options.log.warn(
          { connector: name, error: messageOf(error) },
          'cannot list the servers of a cloud',
        );
      }
    }
    this.#leaks = seen;
  }

  /** Deletes a leak; if that fails, it holds up no other, and is retried at the next check. */
  async #remove(connector: Connector, leak: CloudServer): Promise<void> {
    const about = { server: leak.name, id: leak.id };
    this.#options.log.warn(about, 'deleting an unused server of ours');
    await connector
      .delete(this.#reference(leak))
      .catch((error: unknown) =>
        this.#options.log.warn({ ...about, error: messageOf(error) }, 'cannot delete server; retrying'),
      );
  }

  /** A leak with the same name as a needed server must not be deleted by name. */
  #reference({ id, name }: CloudServer): ServerReference {
    return this.#options.ledger.named(name) === undefined ? { id, name } : { id, name, only: true };
  }

  /**
   * Deletes the servers that nobody here needs, and retries until they are gone or the time is over.
   *
   * @param all includes servers without our mark: every server of the project that the ledger does not know
   * @param dry only lists them
   * @returns their ids, and which could not be deleted and why; a cloud that cannot be listed appears by the name of
   * its connector, and holds up no other
   */
  async clear(
    all: boolean,
    dry: boolean,
  ): Promise<{ deleted: string[]; failed: { id: string; reason: string }[] }> {
    const deleted: string[] = [];
    const failed: { id: string; reason: string }[] = [];
    const deadline = performance.now() + clearPatience;
    const each = async ([name, connector]: [string, Connector]) => {
      const servers = await connector.list().catch((error: unknown) => {
        failed.push({ id: name, reason: `its servers cannot be listed: ${messageOf(error)}` });
        return [];
      });
      const clearOne = async (server: CloudServer) => {
        const reference = { ...this.#reference(server), foreign: all };
        const reason = dry ? null : await untilGone(connector, reference, deadline);
        if (reason === null) deleted.push(server.id);
        else failed.push({ id: server.id, reason });
      };
      await Promise.all(this.#untracked(servers, all).map(clearOne));
    };
    await Promise.all([...this.#options.connectors()].map(each));
    return { deleted, failed };
  }

  /**
   * Servers that no row of the ledger needs: ours, or all. A server that is being created is known by its name, and so
   * is everything that is deleted with it. A second server with the name of an existing one is a twin from a repeated
   * create request.
   */
  #untracked(servers: readonly CloudServer[], all = false): CloudServer[] {
    const { ledger, instance } = this.#options;
    const ids = new Set<string>();
    const names = new Set<string>();
    for (const { name, cloudId, state } of ledger.held()) {
      if (cloudId !== null) ids.add(cloudId);
      if (cloudId === null || state === 'error' || state === 'deleting') names.add(name);
    }
    return servers.filter(
      ({ id, name, instance: owner, state }) =>
        (all || owner === instance) && state !== 'deleting' && !ids.has(id) && !names.has(name),
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

/** Deletes a server and waits until it is gone. @returns why it still exists when the time is over; null if it is gone */
async function untilGone(
  connector: Connector,
  server: ServerReference,
  deadline: number,
): Promise<string | null> {
  for (;;) {
    let reason = 'it is being deleted, but the cloud still has something of it';
    try {
      if (await connector.delete(server)) return null;
    } catch (error) {
      if (!(error instanceof ConnectorError && error.problem === 'unavailable')) return messageOf(error);
      reason = error.message;
    }
    if (performance.now() > deadline) return reason;
    await delay(askPause);
  }
}
