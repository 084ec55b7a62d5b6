import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import { type Asked, type Health, healths, withHealth } from '../../domain/services/service.js';
import type { Handle, Receipt } from '../../drivers/executors/executor.js';
import { nothingToEnd } from '../../drivers/processes/terminate.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import type { RunContext } from '../attempt/run.js';
import { newRun } from '../attempt/run.js';
import { conclude, endOfStart } from './service-end.js';
import { afterRestart, endStart, runStart } from './service-start.js';
import { isFinal, type Supervised, supervised, tell } from './supervised.js';

/** About the longest timer that Node allows: a longer wait is checked again then. */
const longestTimer = 24 * 60 * 60 * 1000;

/** Limits for services that have not ended. */
export interface ServiceLimits {
  services: number;
  servicesPerUser: number;
}

/**
 * Keeps services running: starts their programs, watches them, and restarts them as their definitions say, until they
 * are stopped or given up. There is one loop per service. Everything that must survive a restart is in the job: its
 * attempt, its handle, and its `service`.
 */
export class Supervisor {
  readonly #context: RunContext;
  readonly #limits: ServiceLimits;
  readonly #services = new Map<string, Supervised>();
  readonly #opened: Promise<void>;
  #letOpen: () => void = () => {};
  #closed = false;

  constructor(context: RunContext, limits: ServiceLimits) {
    this.#context = context;
    this.#limits = limits;
    this.#opened = new Promise((resolve) => {
      this.#letOpen = resolve;
    });
  }

  /** From now on programs are started. */
  open(): void {
    this.#letOpen();
  }

  /** Starts no more programs. Running ones go on, and the next start of Penstock finds them. */
  close(): void {
    this.#closed = true;
    for (const one of this.#services.values()) one.wake();
  }

  /** How many services there are, by their health. */
  counts(): Record<Exclude<Health, 'ended'>, number> {
    const counts = Object.fromEntries(healths.map((health) => [health, 0])) as Record<Health, number>;
    for (const { state } of this.#services.values()) counts[state.health] += 1;
    const { ended: _, ...rest } = counts;
    return rest;
  }

  /** Why no further service can be started, in words; undefined if one can. */
  full(ownerId: number, definitionId: number, concurrency: number | null): string | undefined {
    const all = [...this.#services.values()].map(({ job }) => job);
    const { services, servicesPerUser } = this.#limits;
    if (all.length >= services) return `${all.length} services are already running (MAX_SERVICES)`;
    const mine = all.filter((job) => job.ownerId === ownerId).length;
    if (mine >= servicesPerUser)
      return `${mine} of your services are already running (MAX_SERVICES_PER_USER)`;
    const same = all.filter((job) => job.processDefinitionId === definitionId).length;
    if (concurrency === null || same < concurrency) return undefined;
    return `${same} services of this definition are already running, which is its concurrency`;
  }

  /**
   * Keeps a service running from now on.
   *
   * @param found the start that was found after a restart of Penstock
   */
  keep(job: Job, definition: ProcessDefinition, found?: { handle: Handle; attempt: number }): void {
    if (definition.service === null || this.#services.has(job.uuid)) return;
    const one = supervised(job, definition, definition.service);
    this.#services.set(job.uuid, one);
    if (found !== undefined) {
      const { attempt, handle } = found;
      one.run = newRun(this.#context.files, { job: { ...job, attempt }, definition, handle });
    }
    one.over = this.#keepGoing(one)
      .catch((error: unknown) => {
        const fields = { job: job.uuid, error: messageOf(error) };
        this.#context.log.error(fields, 'cannot continue service');
      })
      .finally(() => {
        this.#services.delete(job.uuid);
        for (const hear of [...one.heard]) hear(Number.POSITIVE_INFINITY);
      });
  }

  /**
   * Ends a service for good: after `stop` it has finished, after `cancel` it has failed. The first request decides;
   * later ones get the same answer.
   *
   * @returns what was signalled, once the job's end is stored; undefined if it has ended already
   */
  async end(uuid: string, what: 'stop' | 'cancel', by: string): Promise<Receipt | undefined> {
    const one = this.#services.get(uuid);
    if (one === undefined) return undefined;
    const heard = await this.#ask(one, { what, by });
    await one.over;
    return heard ? (one.receipt ?? nothingToEnd) : undefined;
  }

  /**
   * Ends a service's program and restarts it at once; a service that waits for its next start stops waiting. The count
   * of restarts in a row begins again.
   *
   * @returns what was signalled, once the new start is stored; undefined if the service has ended, or is being ended
   */
  async restart(uuid: string, by: string): Promise<Receipt | undefined> {
    const one = this.#services.get(uuid);
    if (one === undefined || isFinal(one)) return undefined;
    const before = one.run?.job.attempt ?? one.job.attempt;
    const another = new Promise<number>((resolve) => {
      const hear = (attempt: number) => {
        if (attempt <= before) return;
        one.heard.delete(hear);
        resolve(attempt);
      };
      one.heard.add(hear);
    });
    if (!(await this.#ask(one, { what: 'restart', by }))) return undefined;
    return Number.isFinite(await another) ? (one.receipt ?? nothingToEnd) : undefined;
  }

  /**
   * Records a request, in the database too, so that it survives a crash, and begins to carry it out.
   *
   * @returns false if the service has ended by itself
   */
  async #ask(one: Supervised, asked: Asked): Promise<boolean> {
    if (one.ending) return one.state.asked !== null;
    if (isFinal(one)) return true;
    const { run } = one;
    one.receipt = null;
    const health = run === null && asked.what === 'restart' ? 'starting' : 'stopping';
    one.state = withHealth(one.state, health, new Date(), { asked });
    try {
      await tell(this.#context, one, 'update', {}, { asked: asked.what, by: asked.by });
    } catch (error) {
      // Its start ended by itself at that moment, and the requested end is already stored.
      if (!(error instanceof PenstockError && error.code === 'illegal-transition')) throw error;
    }
    one.wake();
    if (run !== null && one.run === run) void endStart(this.#context, one, run);
    return true;
  }

  async #keepGoing(one: Supervised): Promise<void> {
    const context = this.#context;
    while (!one.ending) {
      if (one.run === null) {
        if (isFinal(one)) return conclude(context, one, one.job.attempt, { next: 'finish' });
        // A waiting service is left to the next start of Penstock.
        if (this.#closed) return new Promise(() => {});
        if (!(await this.#turn(one))) continue;
        const job = { ...one.job, attempt: one.job.attempt + 1 };
        one.run = newRun(context.files, { job, definition: one.definition });
      }
      const { run } = one;
      await endOfStart(context, one, run, await runStart(context, one, run));
    }
  }

  /** Waits for the next start; false if something else has to be handled first. */
  async #turn(one: Supervised): Promise<boolean> {
    const woken = new Promise<void>((resolve) => {
      one.wake = resolve;
    });
    await Promise.race([this.#opened, woken]);
    const due = () => {
      const { asked, next_start: next } = one.state;
      return asked !== null || next === null ? 0 : new Date(next).getTime() - Date.now();
    };
    const left = due();
    // Only the timer decides when the wait is over: somebody may set the clock meanwhile.
    let over = false;
    if (left > 0) {
      let timer: NodeJS.Timeout | undefined;
      const time = new Promise<void>((resolve) => {
        const come = () => {
          over = left <= longestTimer;
          resolve();
        };
        timer = setTimeout(come, Math.min(left, longestTimer));
        timer.unref();
      });
      await Promise.race([time, woken]);
      clearTimeout(timer);
    }
    if (isFinal(one) || this.#closed || (!over && due() > 0)) return false;
    const restarted = one.state.asked !== null;
    one.state = { ...one.state, asked: afterRestart(one.state), ...(restarted ? { in_a_row: 0 } : {}) };
    return true;
  }
}
