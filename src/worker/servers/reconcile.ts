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
  /** A server is of no use any more, behind our back: what runs there is lost. */
  lost(server: ServerRow, reason: string): Promise<void>;
  log: Logger;
}

/** So many looks in a row must agree before anything is deleted, or given up. */
const looks = 2;

/** Milliseconds that a clearing may take: whoever asked for it waits for the answer. */
const clearPatience = 30_000;
/** Between two times that a cloud is asked. */
const askPause = 500;

/** What a cloud's own state means for a server that the ledger counts on. */
const broken: Partial<Record<CloudServer['state'], (server: CloudServer) => string>> = {
  error: ({ fault }) => `the cloud says that it is in error: ${fault ?? 'no reason is given'}`,
  stopped: () => 'it was stopped behind our back',
  deleting: () => 'it is being deleted behind our back',
};

/**
 * Compares the ledger with the clouds. A server that a cloud has not any more, or that is broken there, is given up; one
 * that carries our mark, and that no row needs, is a leak, and is deleted at the second look, and at each after it until it
 * is gone. What carries no mark of ours is never touched.
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

  /** Deletes a leak; one that cannot be deleted keeps no other, and is tried again at the next look. */
  async #remove(connector: Connector, leak: CloudServer): Promise<void> {
    const about = { server: leak.name, id: leak.id };
    this.#options.log.warn(about, 'deleting an unused server of ours');
    await connector
      .delete(this.#reference(leak))
      .catch((error: unknown) =>
        this.#options.log.warn({ ...about, error: messageOf(error) }, 'cannot delete server; retrying'),
      );
  }

  /** One whose name a server has that is needed must not take that one with it. */
  #reference({ id, name }: CloudServer): ServerReference {
    return this.#options.ledger.named(name) === undefined ? { id, name } : { id, name, only: true };
  }

  /**
   * Deletes, now, the servers that nobody here needs, and asks until they are gone, or the time is over.
   *
   * @param all also those that carry no mark of ours: every server of the project that the ledger does not know
   * @param dry they are only listed
   * @returns their ids, and what could not be deleted, with why; a cloud that does not tell what it has is there by the
   *   name of its connector, and keeps no other
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
   * Servers that no row of the ledger needs: ours, or all. One that is being made is known by its name, and so is all that
   * is to be deleted with one; of a server that is there another with its name is a twin, whose create was heard twice.
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

/** Has a server deleted until it is gone. @returns why it is not, when the time is over; null if it is */
async function untilGone(
  connector: Connector,
  server: ServerReference,
  deadline: number,
): Promise<string | null> {
  for (;;) {
    let reason = 'it is being deleted, and the cloud still has something of it';
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
