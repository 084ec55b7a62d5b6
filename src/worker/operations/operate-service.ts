import { setTimeout as delay } from 'node:timers/promises';
import { framingProblem } from '../../domain/feeder/framing.js';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import type { ServiceState } from '../../domain/services/service.js';
import { backoffDelay } from '../../lib/backoff.js';
import { messageOf } from '../../lib/errors.js';
import { type Feed, openFeed } from './feed-socket.js';
import type { Engine, EngineContext } from './operation-run.js';
import type { Held } from './outflow.js';

const backoff = { initial: 0.1, factor: 2, maximum: 5 };
/** After so many ends with the same message next, messages are given one at a time to find the culprit. */
const careful = 2;
/** Milliseconds. */
const leavePatience = 3000;

/**
 * An operation whose messages all go to one service. It answers each with one record, in order; with `answers: any` it
 * may write any records, and it is unknown which message they belong to.
 *
 * @param open returns the running service, or a new one
 */
export function serviceEngine(context: EngineContext, open: () => Promise<Job>): Engine {
  const { row, settings, house } = context;
  const { jobs, files, log } = house;
  const answered = settings.answers === 'one';
  const stop = new AbortController();
  /** Messages not given to the program yet, in order. */
  let waiting: Held[] = [];
  /** Given to it and not answered, in order; null is a message that nobody waits for. */
  let given: (Held | null)[] = [];
  /** How many times the service ended while a message was the next to be answered. */
  const ends = new WeakMap<Held, number>();
  let job: Job | null = null;
  let feed: Feed | null = null;
  let writable = true;
  /** The attempt whose program is connected, or is being connected to. */
  let attempt: number | null = null;
  let unlisten = () => {};
  let unexpected = 0;
  /** Records without a message that are not safe yet. */
  const loose = new Set<Promise<void>>();

  function pump(): void {
    while (feed !== null && writable && !stop.signal.aborted) {
      const next = waiting[0];
      if (next === undefined) return;
      if (!next.ours) {
        waiting.shift();
        continue;
      }
      const suspect = given[0] ?? next;
      const bound = (ends.get(suspect) ?? 0) >= careful ? 1 : context.prefetch;
      if (given.length >= bound) return;
      waiting.shift();
      give(feed, next);
    }
  }

  function give(to: Feed, held: Held): void {
    const { body } = held.delivery;
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    if (answered) {
      const problem = framingProblem(settings.framing, bytes);
      if (problem !== null) {
        context.settle(held, context.dead(held, `The message ${problem}.`, null));
        return;
      }
      given.push(held);
    }
    writable = to.send(bytes);
    if (!answered) context.settle(held, { kind: 'nothing' });
    if (writable) return;
    to.drained().then(
      () => {
        writable = true;
        pump();
      },
      () => undefined,
    );
  }

  function onRecord(bytes: Uint8Array): void {
    if (!answered) {
      publishLoose(bytes);
      return;
    }
    const held = given.shift();
    if (held === undefined) {
      if (unexpected === 0) {
        log.warn({ operation: row.id }, 'service wrote more records than it received messages');
      }
      unexpected += 1;
      return;
    }
    if (held?.ours) context.settle(held, context.result(held, bytes));
    pump();
  }

  /** Backpressure: the program's records are read no faster than they are published. */
  function publishLoose(bytes: Uint8Array): void {
    if (row.outputStream === null) return;
    const published = context.publish(bytes);
    loose.add(published);
    if (loose.size >= context.prefetch) feed?.pause();
    void published.finally(() => {
      loose.delete(published);
      if (loose.size <= context.prefetch / 2) feed?.resume();
    });
  }

  /** The program, or the connection to it, is gone: unanswered messages go to the next one in the same order. */
  function detach(ended: boolean): void {
    feed?.close();
    feed = null;
    writable = true;
    const back = given.filter((held): held is Held => held?.ours === true);
    given = [];
    for (const held of back) held.again = true;
    const [head] = back;
    if (ended && head !== undefined) {
      context.count('failed');
      const times = (ends.get(head) ?? 0) + 1;
      ends.set(head, times);
      if (times >= settings.maxDeliveries) {
        back.shift();
        const reason = `The service ended ${times} times while this message was the next to be answered.`;
        context.settle(head, context.dead(head, reason, job?.uuid ?? null));
      }
    }
    waiting = [...back, ...waiting];
  }

  /** Connects to the program of an attempt, and retries as long as it is the current one. */
  async function attach(uuid: string, number: number): Promise<void> {
    attempt = number;
    const current = () => attempt === number && job?.uuid === uuid && !stop.signal.aborted;
    for (let failures = 1; current() && feed === null; failures += 1) {
      try {
        const opened = await openFeed(files.attempt(uuid, number), {
          onRecord,
          onClose() {
            if (feed !== opened) return;
            detach(false);
            if (current() && isUp(job)) void attach(uuid, number);
          },
          onEnd() {
            if (feed !== opened) return;
            detach(true);
          },
        });
        if (!current()) return opened.close();
        feed = opened;
        // It still works on earlier messages. Nobody waits for those answers: the messages are redelivered.
        given = answered ? Array.from({ length: opened.pending }, () => null) : [];
        context.trouble(null);
        pump();
      } catch (error) {
        if (!isUp(job)) return;
        context.trouble(`The service cannot be fed: ${messageOf(error)}`);
        await pause(failures);
      }
    }
  }

  function heard(now: Job): void {
    if (stop.signal.aborted) return;
    job = now;
    if (!isUnfinished(now.state)) {
      attempt = null;
      if (feed !== null) detach(true);
      const why =
        now.outcome?.reason?.replace(/\.$/, '') ??
        (now.state === 'FAILED' ? 'it failed' : 'it ended by itself');
      context.trouble(`The service is gone: ${why}. Start the operation to start it again.`, true);
      return;
    }
    if (!isUp(now)) {
      const state = now.service as ServiceState | null;
      context.trouble(`The service is ${state?.health ?? 'not there yet'}.`);
      return;
    }
    if (now.attempt === attempt) return;
    if (feed !== null) detach(true);
    void attach(now.uuid, now.attempt);
  }

  async function begin(): Promise<void> {
    for (let failures = 1; !stop.signal.aborted; failures += 1) {
      try {
        const opened = await open();
        unlisten = jobs.listen(opened.uuid, heard);
        heard((await house.store.jobs.byUuid(opened.uuid)) ?? opened);
        return;
      } catch (error) {
        context.trouble(`The service cannot be started: ${messageOf(error)}`);
        await pause(failures);
      }
    }
  }

  const pause = (failures: number) =>
    delay(backoffDelay(backoff, failures, Math.random()), undefined, { signal: stop.signal }).catch(() => {});

  context.trouble('The service is being started.');
  const beginning = begin();

  return {
    service: () => job?.uuid ?? null,
    take(held) {
      waiting.push(held);
      pump();
    },
    settled: () => undefined,
    lost() {
      waiting = [];
    },
    async close() {
      stop.abort();
      feed?.close();
      feed = null;
      await beginning;
      unlisten();
      // They would never be delivered again.
      const patience = delay(leavePatience, undefined, { ref: false });
      await Promise.race([Promise.all(loose), patience]);
    },
  };
}

/** True if its program runs and is ready. */
function isUp(job: Job | null): boolean {
  return job?.state === 'RUNNING' && (job.service as ServiceState | null)?.health === 'ready';
}
