import { createHash, randomUUID } from 'node:crypto';
import type { ConnectorProblem } from '../../connectors/connector.js';
import type { Application } from '../../domain/application.js';
import { backoffDelay } from '../../domain/backoff.js';
import { type PoolPlan, type PoolPolicy, type PoolView, planPool } from '../../domain/pool.js';
import { serverName } from '../../domain/server.js';
import { messageOf } from '../../errors.js';
import type { ServerRow } from '../../store/servers.js';
import type { LifeContext } from './life.js';
import { hasNext, live } from './life.js';

/** A job that waits for a server. */
export interface Waiter {
  job: { id: number; uuid: string };
  attempt: number;
  application: string;
  /** It has a server: which is stored already. */
  serve(server: ServerRow): void;
  /** It will have none. */
  refuse(reason: string): void;
  tell(reason: string): void;
}

export interface KeeperOptions extends LifeContext {
  /** All that are there now. */
  applications(): readonly Application[];
  /** Told which of them there are servers of, or jobs that wait for one. */
  used(names: ReadonlySet<string>): void;
  maxServers(): number;
  /** Milliseconds until a cloud without room is asked again, for the first time. */
  capacityRetry(): number;
  /** Stores that an attempt of a job has a server from now on. */
  beginUse(server: ServerRow, waiter: Waiter): Promise<void>;
  /** That it has it no more. */
  endUse(waiter: Pick<Waiter, 'job' | 'attempt'>): Promise<void>;
}

/** A cloud that has no room is left alone for so long, in terms of the first time. */
const patience = { factor: 2, maximum: 30 };

interface Pause {
  reason: string;
  until: number;
  times: number;
}

/**
 * Keeps the pool as the policy says: asks it whenever something has changed or is due, and does what it says. One look
 * at a time; each server's own life goes on beside.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  readonly #waiters = new Map<string, Waiter>();
  readonly #living = new Map<number, Promise<void>>();
  readonly #pauses = new Map<string, Pause>();
  #looking: Promise<void> | null = null;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  #open = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** From now on servers come and go. */
  open(): void {
    this.#open = true;
    this.look();
  }

  /** Resolves when nothing is under way any more; what was goes on at the next start. */
  async close(): Promise<void> {
    this.#open = false;
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#living.values());
  }

  /** A job that is to have a server. */
  want(waiter: Waiter): void {
    this.#waiters.set(waiter.job.uuid, waiter);
    this.look();
  }

  /** It is not wanted any more; false if it has been served by now. */
  unwant(uuid: string): boolean {
    const waited = this.#waiters.delete(uuid);
    if (waited) this.look();
    return waited;
  }

  /** Something has changed: the policy is asked again, soon. */
  look(): void {
    if (!this.#open) return;
    if (this.#looking !== null) {
      this.#again = true;
      return;
    }
    this.#again = false;
    // What changes at the same time is looked at together.
    this.#looking = Promise.resolve()
      .then(() => this.#keep())
      .catch((error: unknown) =>
        this.#options.log.error({ error: messageOf(error) }, 'the servers cannot be kept as they should be'),
      )
      .finally(() => {
        this.#looking = null;
        if (this.#again) this.look();
      });
  }

  /** No server of an application could be had. A cloud without room makes jobs wait; who broke on the way up fails one. */
  failed(application: string, problem: ConnectorProblem | null, reason: string): void {
    if (problem === 'quota' || problem === 'no-capacity') {
      const times = (this.#pauses.get(application)?.times ?? 0) + 1;
      const initial = this.#options.capacityRetry() / 1000;
      const backoff = { initial, factor: patience.factor, maximum: initial * patience.maximum };
      const until = this.#options.clock().getTime() + backoffDelay(backoff, times, Math.random());
      this.#pauses.set(application, { reason, until, times });
    } else {
      const waiter = [...this.#waiters.values()].find((one) => one.application === application);
      if (waiter !== undefined && this.#waiters.delete(waiter.job.uuid)) waiter.refuse(reason);
    }
    this.look();
  }

  /** A server of an application has come up: whatever kept others is over. */
  came(application: string): void {
    this.#pauses.delete(application);
  }

  /** Why no server of an application is made now; null if nothing keeps one. */
  pauseOf(application: string): string | null {
    return this.#pauses.get(application)?.reason ?? null;
  }

  async #keep(): Promise<void> {
    const view = this.#view();
    const plan = planPool(view);
    await this.#carryOut(plan);
    const held = this.#options.ledger.held();
    this.#options.used(new Set([...held, ...this.#waiters.values()].map(({ application }) => application)));
    for (const { id, state } of held) if (hasNext(state)) this.#see(id);
    clearTimeout(this.#timer);
    if (plan.next === null || !this.#open) return;
    const wait = Math.min(Math.max(plan.next - this.#options.clock().getTime(), 10), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.look(), wait);
    this.#timer.unref();
  }

  #view(): PoolView {
    const { ledger, clock } = this.#options;
    const applications = new Map(this.#options.applications().map((one) => [one.name, one]));
    const policies = new Map<string, PoolPolicy>();
    for (const { name, policy } of applications.values())
      policies.set(name, { ...policy, pause: this.#pauses.get(name) ?? null });
    const servers = ledger.held().map((row) => ({
      id: row.id,
      application: row.application,
      state: row.state,
      uses: row.uses,
      idleSince: row.idleSince?.getTime() ?? 0,
      outdated:
        row.revision === revisionOf(applications.get(row.application)) ? null : 'its application has changed',
      held: row.reason,
    }));
    const demands = [...this.#waiters.values()].map(({ job, application }) => ({
      job: job.uuid,
      application,
    }));
    return { now: clock().getTime(), servers, demands, policies, maxServers: this.#options.maxServers() };
  }

  async #carryOut({ assign, create, remove, waiting }: PoolPlan): Promise<void> {
    const { ledger } = this.#options;
    for (const { server, reason } of remove) await ledger.change(server, 'deleting', { reason });
    for (const { job, server } of assign) await this.#serve(job, server);
    for (const name of create) await this.#order(name);
    for (const { job, reason } of waiting) this.#waiters.get(job)?.tell(reason);
  }

  /** Stored first: whoever finds the job after a crash finds its server, too. */
  async #serve(job: string, id: number): Promise<void> {
    const waiter = this.#waiters.get(job);
    const server = this.#options.ledger.get(id);
    if (waiter === undefined || server === undefined) return;
    const row = await this.#options.ledger.change(id, 'busy', { uses: server.uses + 1, idleSince: null });
    if (row === null) return;
    await this.#options.beginUse(row, waiter);
    // It may not be wanted any more by now.
    if (this.#waiters.delete(job)) waiter.serve(row);
    else
      await this.#options.ledger.change(id, 'idle', { uses: server.uses, idleSince: this.#options.clock() });
  }

  async #order(name: string): Promise<void> {
    const application = this.#options.application(name);
    if (application === undefined || application.connector === null) return;
    const server = serverName(randomUUID());
    await this.#options.ledger.add({
      name: server,
      application: name,
      revision: revisionOf(application),
      connector: application.connector,
      order: JSON.stringify({ ...application.order, name: server }),
    });
  }

  #see(id: number): void {
    if (this.#living.has(id)) return;
    const life = live(this.#options, id).finally(() => {
      this.#living.delete(id);
      this.look();
    });
    this.#living.set(id, life);
  }
}

/**
 * Stands for what an application is, whether its own document says it or the configuration: servers of another one are
 * outdated. How many there may be makes no difference to a server.
 */
function revisionOf(application: Application | undefined): number {
  if (application === undefined) return 0;
  const { policy: _, ...rest } = application;
  return createHash('sha256').update(JSON.stringify(rest)).digest().readUInt32BE() >>> 1;
}
