import { randomUUID } from 'node:crypto';
import {
  deadHeaders,
  fittingHeaders,
  type OperationSettings,
  operationSettings,
  prefetchOf,
} from '../../domain/operations/operation.js';
import type { Stream, StreamMessage, Subscription } from '../../drivers/streams/stream.js';
import type { Logger } from '../../lib/log.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { OperationRow } from '../../store/operations.js';
import type { Store } from '../../store/store.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Lag, OperationCounts, OperationStatus } from '../../usecases/operations/operation-view.js';
import type { Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { DeadLetters } from './dead-letters.js';
import { type Held, Outflow, type Result } from './outflow.js';

/** What operations need. */
export interface House {
  streams: Omit<Stream, 'close'>;
  store: Store;
  jobs: JobService;
  files: JobFiles;
  receiver: Receiver;
  runs: RunService;
  definitions: DefinitionService;
  /** The most bytes of a message. */
  maxMessageSize: number;
  log: Logger;
}

/** An operation as its engine sees it. */
export interface EngineContext {
  house: House;
  row: OperationRow;
  settings: OperationSettings;
  /** How many messages may be unsettled at once. */
  prefetch: number;
  /** Sets the result of a message. */
  settle(held: Held, result: Result): void;
  /** A result for a message, with the headers that are passed through. */
  result(held: Held, body: Uint8Array): Result;
  /** A dead letter for a message, and why; `job` is the UUID of the job that it failed in. */
  dead(held: Held, reason: string, job: string | null): Result;
  /** Publishes a record that belongs to no message. Resolves when it is safe, or given up. */
  publish(body: Uint8Array): Promise<void>;
  /** Sets why it cannot continue, for now or (`failing`) not by itself; null when it can. */
  trouble(reason: string | null, failing?: boolean): void;
  count(what: 'failed'): void;
}

/** Handles the messages of an operation: a job for each, or one service for all. */
export interface Engine {
  take(held: Held): void;
  /** A message is settled and acknowledged. */
  settled(held: Held): void;
  /** The stream has taken back all other messages: they will be redelivered. */
  lost(): void;
  /** The UUID of its service's job. */
  service(): string | null;
  /** Hands out no more messages. Running programs go on. */
  close(): Promise<void>;
}

const bytes = 'application/octet-stream';
/** How long to wait for results being published when an operation ends, in milliseconds. */
const leavePatience = 1500;

export type MakeEngine = (context: EngineContext) => Engine;

/** A running operation, from its start until it is closed. */
export interface OperationRun {
  readonly row: OperationRow;
  status(): OperationStatus;
  lag(): Promise<Lag | null>;
  close(): Promise<void>;
}

/**
 * Starts an operation: reads its queue, gives the messages to the engine, publishes the results in order, and
 * acknowledges each message once its result is safe. Resolves when the queue exists, or is sure to be retried.
 */
export async function beginOperation(
  house: House,
  row: OperationRow,
  queue: string,
  letters: DeadLetters,
  makeEngine: MakeEngine,
  counts: OperationCounts,
): Promise<OperationRun> {
  const settings = operationSettings(row);
  const prefetch = prefetchOf(settings, row.definition.processType === 'service' ? 'service' : 'single');
  /** Why it cannot continue: the input, the output, and the engine between them. */
  let noInput: string | null = 'it is starting';
  let noOutput: string | null = null;
  let trouble: { reason: string; failing: boolean } | null = null;

  const outflow = new Outflow({
    publish(kind, given) {
      const message = { ...given, headers: fittingHeaders(given.headers) };
      return kind === 'dead' ? letters.put(message) : house.streams.publish(row.outputStream ?? '', message);
    },
    onSettled(held, { kind }) {
      if (kind === 'result') counts.published += 1;
      else if (kind === 'dead') counts.dead += 1;
      engine.settled(held);
    },
    onTrouble(reason) {
      noOutput = reason;
    },
  });

  /** Records that would not be delivered again if the input connection is lost. */
  const loose = new Outflow({
    publish: (_kind, message) => house.streams.publish(row.outputStream ?? '', message),
    onSettled() {
      counts.published += 1;
    },
    onTrouble(reason) {
      noOutput = reason;
    },
  });

  const engine = makeEngine({
    house,
    row,
    settings,
    prefetch,
    settle: (held, result) => outflow.settle(held, result),
    result({ delivery: { id, headers, contentType } }, body) {
      if (row.outputStream === null) return { kind: 'nothing' };
      return {
        kind: 'result',
        message: { id, headers, contentType: settings.contentType ?? contentType, body },
      };
    },
    dead: (held, reason, job) => ({ kind: 'dead', message: deadLetter(held, row, reason, job) }),
    publish(body) {
      const message = { id: randomUUID(), headers: {}, contentType: settings.contentType ?? bytes, body };
      return new Promise((resolve) => {
        loose.settle(loose.hold({ ...message, redelivered: false, ack: resolve, giveBack: resolve }), {
          kind: 'result',
          message,
        });
      });
    },
    trouble(reason, failing = false) {
      trouble = reason === null ? null : { reason, failing };
    },
    count(what) {
      counts[what] += 1;
    },
  });

  let closed = false;
  const subscription: Subscription = await house.streams.subscribe(row.inputStream, {
    queue,
    prefetch,
    onMessage(delivery) {
      if (closed) return;
      counts.received += 1;
      if (delivery.redelivered) counts.redelivered += 1;
      engine.take(outflow.hold(delivery));
    },
    onLink(linked, reason) {
      noInput = linked ? null : (reason ?? 'the stream is unreachable');
      if (linked) return;
      outflow.drop();
      engine.lost();
    },
  });

  return {
    row,
    status() {
      const base = { service: engine.service(), counts: { ...counts } };
      if (trouble?.failing) return { ...base, state: 'failing', reason: trouble.reason };
      const reason = noInput ?? noOutput ?? trouble?.reason ?? null;
      return { ...base, state: reason === null ? 'running' : 'waiting', reason };
    },
    lag: () => house.streams.counts(row.inputStream, queue).catch(() => null),
    async close() {
      closed = true;
      await outflow.finish(leavePatience);
      engine.lost();
      await subscription.close();
      await engine.close();
      await loose.finish(leavePatience);
    },
  };
}

function deadLetter(
  { delivery }: Held,
  row: OperationRow,
  reason: string,
  job: string | null,
): StreamMessage {
  const { id, headers, contentType, body } = delivery;
  return {
    id,
    contentType,
    body,
    headers: {
      ...headers,
      [deadHeaders.operation]: `/api/operation/${row.id}/`,
      [deadHeaders.reason]: reason,
      ...(job === null ? {} : { [deadHeaders.job]: `/api/job/${job}/` }),
    },
  };
}
