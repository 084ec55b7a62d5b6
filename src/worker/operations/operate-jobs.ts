import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import type { Outcome } from '../../domain/jobs/outcome.js';
import { messageFile, messageInputs } from '../../domain/operations/message-inputs.js';
import { messageFileName } from '../../domain/operations/operation.js';
import { backoffDelay } from '../../lib/backoff.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { fileSize } from '../../store/folder/job-files.js';
import { openIntake, takenInputs } from '../../usecases/runs/intake.js';
import type { Received } from '../../usecases/runs/receive.js';
import { type MessageJobs, messageKey } from './message-jobs.js';
import type { Engine, EngineContext } from './operation-run.js';
import type { Held, Result } from './outflow.js';

/** Errors after which a message is a dead letter: a retry would end the same way. */
const hopeless = ['too-large', 'invalid-body', 'invalid-input', 'invalid-definition', 'bad-request'];
const backoff = { initial: 0.1, factor: 2, maximum: 5 };
const longestWait = 2 ** 31 - 1;

/** An operation with a job for each message. Results are published in the order of the messages. */
export function jobsEngine(context: EngineContext, known: MessageJobs): Engine {
  const { jobs, files, receiver, runs, log } = context.house;
  const { row, settings } = context;
  const { maxMessageSize: most } = context.house;
  const actor = { id: row.ownerId, username: row.owner.username, admin: false };
  const waiting: Held[] = [];
  const jobOfHeld = new Map<Held, number>();
  const working = new Set<Promise<void>>();
  /** Redelivered messages that have not found their jobs yet. */
  const returning = new Set<Held>();
  const stop = new AbortController();

  function pump(): void {
    while (!stop.signal.aborted && working.size < settings.concurrency) {
      const held = waiting.shift();
      if (held === undefined) return;
      if (!held.ours) continue;
      const work = see(held)
        .catch((error: unknown) => {
          log.error({ operation: row.id, error: messageOf(error) }, 'cannot continue message');
        })
        .finally(() => {
          working.delete(work);
          pump();
        });
      working.add(work);
    }
  }

  /** One message's story, to the end of its job. */
  async function see(held: Held): Promise<void> {
    const begun = await begin(held);
    if (begun === null) return;
    jobOfHeld.set(held, begun.id);
    // The stream may have taken it back while the job was being created.
    if (!held.ours) return lose(held);
    const job = await ended(begun);
    if (job !== null) context.settle(held, await resultOf(held, job));
  }

  /** The job at its end, even if the database cannot be read meanwhile; null if nobody waits for it any longer. */
  async function ended(begun: Job): Promise<Job | null> {
    let job = begun;
    for (let failures = 1; isUnfinished(job.state); ) {
      if (stop.signal.aborted) return null;
      try {
        job = await jobs.waitForEnd(job, longestWait, stop.signal);
      } catch (error) {
        log.warn({ operation: row.id, job: job.uuid, error: messageOf(error) }, 'cannot wait for job');
        await pause(failures);
        failures += 1;
      }
    }
    return job;
  }

  const pause = (failures: number) =>
    delay(backoffDelay(backoff, failures, Math.random()), undefined, { signal: stop.signal }).catch(
      () => undefined,
    );

  /** The job of a message: the one from its earlier delivery, or a new one. Retries until there is one. */
  async function begin(held: Held): Promise<Job | null> {
    for (let failures = 1; held.ours && !stop.signal.aborted; failures += 1) {
      try {
        const job = (held.delivery.redelivered ? await before(held) : null) ?? (await make(held));
        returning.delete(held);
        context.trouble(null);
        return job;
      } catch (error) {
        if (error instanceof PenstockError && hopeless.includes(error.code)) {
          returning.delete(held);
          context.settle(held, context.dead(held, error.message, null));
          return null;
        }
        // A full queue or disk is not the message's fault: it waits here, and others wait in its queue.
        context.trouble(messageOf(error));
        await pause(failures);
      }
    }
    return null;
  }

  async function before(held: Held): Promise<Job | null> {
    const key = messageKey(held.delivery);
    const found = key === null ? null : await known.claim(key);
    if (found === null) return null;
    const job = await context.house.store.jobs.byUuid(found.uuid);
    if (job !== null && job.cleared === null) return job;
    known.settle(found.id);
    return null;
  }

  async function make({ delivery }: Held): Promise<Job> {
    const { id, headers, contentType, body } = delivery;
    const definition = await context.house.definitions.find(actor, String(row.processDefinitionId));
    // Check before anything is stored for it.
    runs.checkQueue(actor);
    if (!delivery.redelivered && returning.size === 0) known.forgetFree();
    const key = messageKey(delivery);
    const message = { id, key };
    const work = async (): Promise<Job> => {
      const received = receiver.begin(jobs.newUuid());
      try {
        const given = headers['file-name'];
        const name =
          given !== undefined && fileNameProblem(given) === undefined ? given : messageFileName(contentType);
        await takeIn(received, definition.definition, name, body);
        const { job } = await runs.submit(actor, definition, received, {}, null, {
          fields: { operationId: row.id },
          request: { message },
        });
        return job;
      } catch (error) {
        await receiver.drop(received);
        throw error;
      }
    };
    return key === null ? work() : known.make(key, work);
  }

  /** The message as the input of its job, and the values that the operation gives. */
  async function takeIn(
    received: Received,
    definition: ProcessDefinition,
    name: string,
    body: Uint8Array,
  ): Promise<void> {
    if (definition.inputs === null) {
      await receiver.store(received, name, once(body), { digest: false });
      return;
    }
    received.values = messageInputs(settings.inputs, body);
    const taken = takenInputs(definition);
    const file = messageFile(definition);
    if (file !== null) {
      await openIntake({ receiver, received, taken, digest: false }).file(file, name, once(body));
    }
  }

  async function resultOf(held: Held, job: Job): Promise<Result> {
    if (job.state === 'FAILED') {
      context.count('failed');
      return context.dead(held, failure(job.outcome), job.uuid);
    }
    if (row.outputStream === null) return { kind: 'nothing' };
    if (job.outputPath === null) return context.result(held, Buffer.alloc(0));
    const file = path.join(files.folder(job.uuid), job.outputPath);
    const size = fileSize(file);
    if (size !== null && size > most) {
      return context.dead(
        held,
        `Its output has ${size} bytes, more than a message may have: ${most} (MAX_MESSAGE_SIZE).`,
        job.uuid,
      );
    }
    return readFile(file).then(
      (bytes) => context.result(held, bytes),
      (error: unknown) => context.dead(held, `Its output cannot be read: ${messageOf(error)}`, job.uuid),
    );
  }

  function lose(held: Held): void {
    const job = jobOfHeld.get(held);
    jobOfHeld.delete(held);
    if (job !== undefined) known.release(job);
  }

  return {
    service: () => null,
    take(held) {
      if (held.delivery.redelivered) returning.add(held);
      waiting.push(held);
      pump();
    },
    settled(held) {
      const job = jobOfHeld.get(held);
      jobOfHeld.delete(held);
      if (job !== undefined) known.settle(job);
    },
    lost() {
      waiting.length = 0;
      returning.clear();
      for (const held of [...jobOfHeld.keys()]) lose(held);
      known.linkLost();
    },
    async close() {
      stop.abort();
      await Promise.all(working);
      for (const held of [...jobOfHeld.keys()]) lose(held);
    },
  };
}

async function* once(body: Uint8Array): AsyncGenerator<Buffer> {
  yield Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** Why a job failed, in a sentence. */
function failure(outcome: Outcome | null): string {
  if (outcome === null) return 'Its job failed.';
  if (outcome.reason !== null) return `Its job failed: ${outcome.reason}`;
  if (outcome.exit_code !== null) return `Its job failed: exit code ${outcome.exit_code}.`;
  if (outcome.signal !== null) return `Its job failed: ${outcome.signal}.`;
  return `Its job failed: ${outcome.cause}.`;
}
