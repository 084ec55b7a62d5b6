import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Told } from '../../domain/jobs/event-message.js';
import type { Answer } from '../../drivers/outlets/outlet.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { PendingRow, Settled } from '../../store/deliveries.js';
import type { Store } from '../../store/store.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import { Backlog } from './backlog.js';
import { type AttemptOptions, judge, type Next, schemeOf, tryDelivery } from './delivery-attempt.js';
import { Results } from './delivery-results.js';
import type { Receiver, Sequence } from './receiver.js';
import { Receivers } from './receivers.js';

interface DispatcherOptions extends AttemptOptions {
  store: Store;
  news: JobService['news'];
  log: Logger;
}

const mostAtOnce = 64;
/** Probes of receivers that are down must not slow down the others. */
const mostProbes = 32;
/** Milliseconds that a result may wait to be stored together with others. */
const gathering = 15;
const mostUnstored = 2000;
const afterTrouble = 1000;
const lookInterval = 60_000;

/**
 * Delivers events: sends pending rows of the outbox to their receivers, in order for each job, and retries until they
 * are accepted or given up. All its state is in the database, so a crash costs nothing but repetitions.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #backlog: Backlog;
  readonly #receivers = new Receivers();
  readonly #stop = new AbortController();
  readonly #attempts = new Set<Promise<void>>();
  readonly #results: Results;
  #probes = 0;
  #wanted = false;
  #turning: Promise<void> | undefined;
  #alarm: NodeJS.Timeout | undefined;
  #looked = Number.NEGATIVE_INFINITY;
  /** Results of attempts since the start. */
  readonly counts = { accepted: 0, failed: 0, dead: 0 };

  constructor(options: DispatcherOptions) {
    this.#options = options;
    setMaxListeners(0, this.#stop.signal);
    const { deliveries } = options.store;
    this.#results = new Results((results) => deliveries.settle(results));
    this.#backlog = new Backlog({
      pending: deliveries.pending,
      sequence: deliveries.sequence,
      receiverOf: (url) => this.#receivers.of(url),
      unsettled: (id) => this.#results.has(id),
      ready: (sequence) => this.#schedule(sequence),
    });
  }

  /** Starts with the deliveries that are already pending. */
  start(): void {
    this.#options.news.on('news', this.#heard);
    this.#kick();
  }

  /** Ends attempts in progress and stores the results of others. */
  async stop(): Promise<void> {
    this.#options.news.off('news', this.#heard);
    this.#stop.abort();
    clearTimeout(this.#alarm);
    await this.#turning;
    await Promise.all(this.#attempts);
    for (const sequence of this.#backlog.all()) clearTimeout(sequence.timer);
    await this.#results.store().catch((error: unknown) => this.#trouble(error));
    await Promise.all(Object.values(this.#options.outlets).map((outlet) => outlet.close()));
  }

  readonly #heard = () => {
    if (this.#options.store.subscriptions.mayBeAny()) this.#kick();
  };

  lookAgain(from: number): void {
    this.#backlog.lookAgain(from);
    this.#kick();
  }

  forget(subscriptionId: number): void {
    this.#backlog.forget(subscriptionId);
  }

  /** Makes one attempt at once, whatever is pending. */
  async attempt(message: Told & { url: string; secrets: readonly string[] }): Promise<Answer> {
    const outlet = this.#options.outlets[schemeOf(message.url)];
    if (outlet === undefined)
      return { accepted: false, status: null, error: 'this configuration cannot deliver to such a URL' };
    return outlet.send(message, this.#stop.signal);
  }

  /** Soon stores results, loads pending deliveries, and sends. */
  #kick(): void {
    this.#wanted = true;
    if (this.#stop.signal.aborted) return;
    this.#turning ??= this.#turns().finally(() => {
      this.#turning = undefined;
      if (this.#wanted && !this.#stop.signal.aborted) this.#kick();
    });
  }

  async #turns(): Promise<void> {
    while (this.#wanted && !this.#stop.signal.aborted) {
      this.#wanted = false;
      try {
        await this.#results.store();
        const { again, found } = await this.#backlog.load();
        if (again || this.#backlog.hungry) this.#wanted = true;
        if (found === 0) await this.#lookForAny();
      } catch (error) {
        this.#trouble(error);
        this.#wanted = true;
        await delay(afterTrouble, undefined, { signal: this.#stop.signal }).catch(() => {});
      }
      this.#pump();
      await delay(gathering);
    }
  }

  #trouble(error: unknown): void {
    this.#options.log.warn({ error: messageOf(error) }, 'cannot continue deliveries; retrying');
  }

  /** Subscriptions also disappear with their job or user, and nothing announces that. */
  async #lookForAny(): Promise<void> {
    if (performance.now() - this.#looked < lookInterval) return;
    this.#looked = performance.now();
    await this.#options.store.subscriptions.lookForAny();
    this.#receivers.tidy(Date.now());
  }

  #settle(row: PendingRow, result: Omit<Settled, 'id' | 'updated'>): void {
    this.#results.add({ ...result, id: row.id, updated: new Date() });
    if (result.state === 'dead') this.counts.dead += 1;
    this.#kick();
  }

  /** Schedules a sequence that has something to send: now, or when its own pause and that of its URL are over. */
  #schedule(sequence: Sequence): void {
    const [row] = sequence.rows;
    const now = Date.now();
    const asked = row === undefined ? 0 : sequence.receiver.askedUntil(row.url, now);
    const left = Math.max(row?.notBefore ?? 0, asked) - now;
    if (left <= 0) {
      this.#enter(sequence);
      return;
    }
    sequence.receiver.hold(sequence);
    clearTimeout(sequence.timer);
    const come = () => {
      if (row !== undefined) row.notBefore = null;
      this.#schedule(sequence);
      this.#pump();
    };
    sequence.timer = setTimeout(come, Math.min(left, this.#options.maxPause));
    sequence.timer.unref();
  }

  #enter(sequence: Sequence): void {
    clearTimeout(sequence.timer);
    this.#receivers.enter(sequence);
  }

  /** Sends everything that may be sent now, taking turns between receivers. */
  #pump(): void {
    const now = Date.now();
    while (this.#attempts.size < mostAtOnce && this.#results.size < mostUnstored) {
      if (this.#stop.signal.aborted) return;
      const sequence = this.#receivers.next(now, this.#probes < mostProbes);
      if (sequence === undefined) break;
      this.#begin(sequence);
    }
    clearTimeout(this.#alarm);
    const { probeAt } = this.#receivers;
    if (probeAt === null) return;
    this.#alarm = setTimeout(() => this.#pump(), Math.max(1, probeAt - now));
    this.#alarm.unref();
  }

  #begin(sequence: Sequence): void {
    sequence.busy = true;
    const { receiver } = sequence;
    const probe = receiver.down ? 1 : 0;
    this.#probes += probe;
    const done = this.#send(sequence)
      .catch((error: unknown): Next => {
        if (!this.#stop.signal.aborted) this.#trouble(error);
        return { do: 'again', wait: afterTrouble };
      })
      .then((next) => {
        this.#attempts.delete(done);
        this.#probes -= probe;
        this.#receivers.ended(receiver);
        if (!this.#stop.signal.aborted) this.#goOn(sequence, next);
      });
    this.#attempts.add(done);
  }

  /** After an attempt: the sequence's next row, the same one later, or nothing. */
  #goOn(sequence: Sequence, next: Next): void {
    const [row] = sequence.rows;
    sequence.busy = false;
    if (next.do === 'drop') {
      this.#backlog.drop(sequence);
      if (next.lookAgain) this.lookAgain(row?.id ?? 1);
    } else if (next.do === 'next') {
      if (this.#backlog.shift(sequence)) this.#schedule(sequence);
      else this.#kick();
    } else {
      if (row !== undefined) row.notBefore = next.wait === 0 ? null : Date.now() + next.wait;
      this.#schedule(sequence);
    }
    this.#pump();
  }

  /** One attempt at a sequence's first row. Rejects if the database fails, or at shutdown. */
  async #send(sequence: Sequence): Promise<Next> {
    const [row] = sequence.rows;
    if (row === undefined) return { do: 'next' };
    const tried = await tryDelivery(this.#options, sequence, row, this.#stop.signal);
    if ('next' in tried) {
      if (tried.result !== undefined) this.#settle(row, tried.result);
      return tried.next;
    }
    const { answer } = tried;
    row.attempts += 1;
    row.status = answer.status;
    const now = Date.now();
    const random = Math.random();
    const verdict = judge(row, answer, this.#options, now, random);
    const { result } = verdict;
    this.counts[answer.accepted ? 'accepted' : 'failed'] += 1;
    if (result.refused !== undefined) this.#backlog.forget(row.subscriptionId);
    if (!answer.accepted) sequence.failingSince ??= now;
    if (verdict.well) this.#opened(sequence.receiver);
    else {
      const how = {
        answered: answer.status !== null,
        asked: verdict.asked,
        backoff: verdict.backoff,
        random,
      };
      if (sequence.receiver.failed(row.url, now, how)) this.#expire(sequence, answer.error ?? '');
    }
    if (verdict.asked > 0) {
      for (const other of sequence.receiver.leaveAlone(row.url, verdict.asked, now)) this.#schedule(other);
    }
    // While the receiver is down, only the receiver's pause counts; the next start of Penstock tries it at once. What
    // it asked for (`Retry-After`) counts in any case, even then.
    const explained = sequence.receiver.explains(sequence);
    const notBefore = verdict.asked > 0 ? new Date(now + verdict.asked) : null;
    this.#settle(row, explained ? { ...result, notBefore } : result);
    if (result.state !== 'pending') return { do: 'next' };
    return { do: 'again', wait: explained ? verdict.asked : verdict.wait };
  }

  /** Sends at once what waited only for a receiver that was down. */
  #opened(receiver: Receiver): void {
    for (const sequence of receiver.succeeded()) {
      const [row] = sequence.rows;
      if (row !== undefined) row.notBefore = null;
      this.#schedule(sequence);
    }
  }

  /** If a receiver is down, deliveries that have waited too long are given up without an attempt of their own. */
  #expire(failed: Sequence, why: string): void {
    const { keepTrying } = this.#options;
    for (const sequence of this.#backlog.all()) {
      if (sequence === failed || sequence.busy || sequence.receiver !== failed.receiver) continue;
      for (
        let [row] = sequence.rows;
        row !== undefined && Date.now() - row.since >= keepTrying;
        [row] = sequence.rows
      ) {
        const { attempts, status } = row;
        const error = `the receiver is down: ${why}`;
        this.#settle(row, { state: 'dead', attempts, notBefore: null, status, error });
        if (!this.#backlog.shift(sequence)) sequence.receiver.forget(sequence);
      }
    }
  }
}
