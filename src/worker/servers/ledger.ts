import type { ServerState } from '../../domain/servers/server.js';
import type { Logger } from '../../lib/log.js';
import type { NewServer, ServerChange, ServerRow } from '../../store/servers.js';
import type { Store } from '../../store/store.js';
import { keepTrying } from '../keep-trying.js';

/**
 * All servers as stored in the database: every change is stored first. Servers of which the cloud has nothing left are
 * dropped here.
 */
export class Ledger {
  readonly #store: Store['servers'];
  readonly #log: Logger;
  readonly #clock: () => Date;
  readonly #rows = new Map<number, ServerRow>();
  readonly #changed: () => void;

  /** @param changed called after every change */
  constructor(store: Store['servers'], log: Logger, clock: () => Date, changed: () => void) {
    this.#store = store;
    this.#log = log;
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Reads the servers from before the restart. */
  async load(): Promise<void> {
    for (const row of await this.#store.held()) this.#rows.set(row.id, row);
  }

  /** All servers of which the cloud may still have something, oldest first. */
  held(): ServerRow[] {
    return [...this.#rows.values()];
  }

  get(id: number): ServerRow | undefined {
    return this.#rows.get(id);
  }

  named(name: string): ServerRow | undefined {
    return this.held().find((row) => row.name === name);
  }

  async add(server: Omit<NewServer, 'created'>): Promise<ServerRow> {
    const row = await this.#insist(server.name, () => this.#store.add({ ...server, created: this.#clock() }));
    this.#rows.set(row.id, row);
    this.#changed();
    return row;
  }

  /** Changes a server's state; null if the new state cannot follow its current one. */
  async change(id: number, state: ServerState, change: ServerChange = {}): Promise<ServerRow | null> {
    const known = this.#rows.get(id);
    if (known === undefined) return null;
    const row = await this.#insist(known.name, () => this.#store.change(id, state, change, this.#clock()));
    return this.#keep(row);
  }

  /** Gives an idle server to an attempt of a job; null if it is no longer idle. */
  async assign(id: number, job: { id: number }, attempt: number): Promise<ServerRow | null> {
    const name = this.#rows.get(id)?.name ?? '';
    const row = await this.#insist(name, () => this.#store.assign(id, job.id, attempt, this.#clock()));
    return this.#keep(row);
  }

  /** Takes a server back from an attempt that never started there. */
  async unassign(id: number, job: { id: number }, attempt: number): Promise<void> {
    const name = this.#rows.get(id)?.name ?? '';
    this.#keep(await this.#insist(name, () => this.#store.unassign(id, job.id, attempt, this.#clock())));
  }

  #keep(row: ServerRow | null): ServerRow | null {
    if (row === null) return null;
    const { id, name: server, state, reason } = row;
    if (state === 'deleted') this.#rows.delete(id);
    else this.#rows.set(id, row);
    this.#log.info({ server, state, ...(reason === null ? {} : { reason }) }, 'server changed');
    this.#changed();
    return row;
  }

  /** Stores what was learned about a server without changing its state. */
  async note(id: number, change: ServerChange): Promise<void> {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    await this.#insist(row.name, () => this.#store.note(id, change, this.#clock()));
    const now = this.#rows.get(id);
    if (now !== undefined) this.#rows.set(id, { ...now, ...change });
    this.#changed();
  }

  #insist<T>(server: string, action: () => Promise<T>): Promise<T> {
    return keepTrying(this.#log, { server }, action);
  }
}
