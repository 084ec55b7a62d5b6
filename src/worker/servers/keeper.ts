import { createHash, randomUUID } from 'node:crypto';
import type { Application } from '../../domain/servers/application.js';
import { type PoolPlan, type PoolPolicy, type PoolView, planPool } from '../../domain/servers/pool.js';
import { serverName } from '../../domain/servers/server-name.js';
import type { ConnectorProblem } from '../../drivers/connectors/connector.js';
import { backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';
import type { ServerRow } from '../../store/servers.js';
import type { LifeContext } from './life.js';
import { hasNext, live } from './life.js';

/** A job that waits for a server. */
interface Waiter {
  job: { id: number; uuid: string };
  attempt: number;
  application: string;
  /** It has a server: which is stored already. */
  serve(server: ServerRow): void;
  /** It will have none this time, or, for good, none ever. */
  refuse(reason: string, forGood?: boolean): void;
  tell(reason: string): void;
}

interface KeeperOptions extends LifeContext {
  /** All that are there now. */
  applications(): readonly Application[];
  /** Told which of them there are servers of, or jobs that wait for one. */
  used(names: ReadonlySet<string>): void;
  /** What an application's servers cannot be made without, in words; null if all is there. */
  missing(application: Application): string | null;
  maxServers(): number;
  /** How many servers may have a job at the same time. */
  maxBusy(): number;
  /** Milliseconds until a cloud without room is asked again, for the first time. */
  capacityRetry(): number;
}

/** A cloud that has no room is left alone for so long, in terms of the first time. */
const patience = { factor: 2, maximum: 30 };
/** Seconds for which none is made after one that was refused, or has not come up: whoever waits is told at once. */
const setback = { initial: 1, factor: 2, maximum: 300 };

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

  /** No job gets a server any more, and none is made. What is under way goes on. */
  rest(): void {
    this.#open = false;
    clearTimeout(this.#timer);
  }

  /** Resolves when nothing is under way any more; what was goes on at the next start. */
  async close(): Promise<void> {
    this.rest();
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
        this.#options.log.error({ error: messageOf(error) }, 'cannot maintain servers'),
      )
      .finally(() => {
        this.#looking = null;
        if (this.#again) this.look();
      });
  }

  /**
   * No server of an application could be had. A cloud without room makes jobs wait. One that refuses would refuse every
   * job's, and all are told; who broke on the way up fails one job.
   */
  failed(application: string, problem: ConnectorProblem | null, reason: string): void {
    const full = problem === 'quota' || problem === 'no-capacity';
    const now = this.#options.clock().getTime();
    const known = this.#pauses.get(application);
    // Several that were asked for together fail together: that is one failure.
    if (known === undefined || known.until <= now) {
      const times = (known?.times ?? 0) + 1;
      const initial = this.#options.capacityRetry() / 1000;
      const asked = { initial, factor: patience.factor, maximum: initial * patience.maximum };
      const wait = backoffDelay(full ? asked : setback, times, Math.random());
      this.#pauses.set(application, { reason, until: now + wait, times });
    }
    if (!full) {
      const waiters = [...this.#waiters.values()].filter((one) => one.application === application);
      for (const waiter of problem === 'refused' ? waiters : waiters.slice(0, 1)) {
        this.#waiters.delete(waiter.job.uuid);
        waiter.refuse(reason);
      }
    }
    this.look();
  }

  /** A server of an application has come up: whatever kept others is over. */
  came(application: string): void {
    this.#pauses.delete(application);
  }

  /** What was wrong may have been put right: nothing is waited for any more. */
  forgive(): void {
    this.#pauses.clear();
    this.look();
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
    for (const application of applications.values()) {
      const { name, policy } = application;
      const missing = this.#options.missing(application);
      const pause = missing === null ? this.#pauses.get(name) : { reason: missing, until: null };
      policies.set(name, { ...policy, pause: pause ?? null });
    }
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
    const [maxServers, maxBusy] = [this.#options.maxServers(), this.#options.maxBusy()];
    return { now: clock().getTime(), servers, demands, policies, maxServers, maxBusy };
  }

  async #carryOut({ assign, create, remove, waiting, refuse }: PoolPlan): Promise<void> {
    const { ledger } = this.#options;
    for (const { server, reason } of remove) await ledger.change(server, 'deleting', { reason });
    for (const { job, server } of assign) await this.#serve(job, server);
    for (const name of create) await this.#order(name);
    for (const { job, reason } of waiting) this.#waiters.get(job)?.tell(reason);
    for (const { job, reason } of refuse) {
      const waiter = this.#waiters.get(job);
      if (this.#waiters.delete(job)) waiter?.refuse(reason, true);
    }
  }

  /** Stored first: whoever finds the job after a crash finds its server, too. */
  async #serve(uuid: string, id: number): Promise<void> {
    const waiter = this.#waiters.get(uuid);
    if (waiter === undefined) return;
    const { job, attempt } = waiter;
    const row = await this.#options.ledger.assign(id, job, attempt);
    if (row === null) return;
    // It may not be wanted any more by now.
    if (this.#waiters.delete(uuid)) waiter.serve(row);
    else await this.#options.ledger.unassign(id, job, attempt);
  }

  async #order(name: string): Promise<void> {
    const application = this.#options.application(name);
    // It was there a moment ago; who waits for it is told at the next look.
    if (application === undefined || application.connector === null) return;
    const server = serverName(randomUUID());
    await this.#options.ledger.add({
      name: server,
      application: name,
      revision: revisionOf(application),
      connector: application.connector,
      order: { ...application.order, name: server },
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
