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
  /** It got a server, and that is already stored. */
  serve(server: ServerRow): void;
  /** It gets none this time, or (`forGood`) never. */
  refuse(reason: string, forGood?: boolean): void;
  tell(reason: string): void;
}

interface KeeperOptions extends LifeContext {
  /** All current applications. */
  applications(): readonly Application[];
  /** Called with the names of those that have servers or waiting jobs. */
  used(names: ReadonlySet<string>): void;
  /** What is missing to create an application's servers, in words; null if nothing is. */
  missing(application: Application): string | null;
  maxServers(): number;
  /** How many servers may have a job at the same time. */
  maxBusy(): number;
  /** Milliseconds before the first retry of a cloud that had no room. */
  capacityRetry(): number;
}

/** Back-off for a cloud without room, in multiples of the first wait. */
const patience = { factor: 2, maximum: 30 };
/** Seconds without new servers after one was refused or did not come up: waiting jobs are told at once. */
const setback = { initial: 1, factor: 2, maximum: 300 };

interface Pause {
  reason: string;
  until: number;
  times: number;
}

/**
 * Keeps the pool as the policy plans it: plans again whenever something has changed or is due, and carries out the
 * plan. One round at a time; each server's own life runs alongside.
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

  /** From now on servers are created and deleted. */
  open(): void {
    this.#open = true;
    this.look();
  }

  /** Jobs get no more servers, and none is created. Whatever is in progress goes on. */
  rest(): void {
    this.#open = false;
    clearTimeout(this.#timer);
  }

  /** Resolves when nothing is in progress; the next start of Penstock continues. */
  async close(): Promise<void> {
    this.rest();
    await this.#looking;
    await Promise.all(this.#living.values());
  }

  /** A job that needs a server. */
  want(waiter: Waiter): void {
    this.#waiters.set(waiter.job.uuid, waiter);
    this.look();
  }

  /** It no longer needs one; false if it has already been served. */
  unwant(uuid: string): boolean {
    const waited = this.#waiters.delete(uuid);
    if (waited) this.look();
    return waited;
  }

  /** Something has changed: plan again soon. */
  look(): void {
    if (!this.#open) return;
    if (this.#looking !== null) {
      this.#again = true;
      return;
    }
    this.#again = false;
    // Simultaneous changes are handled together.
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
   * An application could not get a server. If the cloud has no room, jobs wait. If it refuses, it would refuse every
   * job, so all fail. A server that broke on its way up fails one job.
   */
  failed(application: string, problem: ConnectorProblem | null, reason: string): void {
    const full = problem === 'quota' || problem === 'no-capacity';
    const now = this.#options.clock().getTime();
    const known = this.#pauses.get(application);
    // Servers that were requested together fail together: that counts as one failure.
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

  /** A server of an application has come up: nothing holds up the others any longer. */
  came(application: string): void {
    this.#pauses.delete(application);
  }

  /** The problem may have been fixed: all pauses end. */
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

  /** Stored first, so that after a crash the job's server is known as well. */
  async #serve(uuid: string, id: number): Promise<void> {
    const waiter = this.#waiters.get(uuid);
    if (waiter === undefined) return;
    const { job, attempt } = waiter;
    const row = await this.#options.ledger.assign(id, job, attempt);
    if (row === null) return;
    // It may no longer be wanted.
    if (this.#waiters.delete(uuid)) waiter.serve(row);
    else await this.#options.ledger.unassign(id, job, attempt);
  }

  async #order(name: string): Promise<void> {
    const application = this.#options.application(name);
    // It existed a moment ago; jobs that wait for it are told in the next round.
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
 * A number for the content of an application, whether from its own document or the configuration: servers with another
 * number are outdated. Limits on the number of servers do not count.
 */
function revisionOf(application: Application | undefined): number {
  if (application === undefined) return 0;
  const { policy: _, ...rest } = application;
  return createHash('sha256').update(JSON.stringify(rest)).digest().readUInt32BE() >>> 1;
}
