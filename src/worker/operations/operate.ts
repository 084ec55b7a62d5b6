import { setTimeout as delay } from 'node:timers/promises';
import { operationQueue, operationSettings } from '../../domain/operations/operation.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { openTurns } from '../../lib/turns.js';
import type { OperationRow } from '../../store/operations.js';
import type { Lag, OperationCounts, OperationStatus } from '../../usecases/operations/operation-view.js';
import type { Operating } from '../../usecases/operations/operations.js';
import { type DeadLetters, deadLetters, revived } from './dead-letters.js';
import { type MessageJob, MessageJobs } from './message-jobs.js';
import { jobsEngine } from './operate-jobs.js';
import { serviceEngine } from './operate-service.js';
import { beginOperation, type MakeEngine, type OperationRun } from './operation-run.js';
import { openService, stopServices } from './operation-service.js';
import type { OperatorOptions } from './operator-options.js';

/** More than the unsettled messages that one operation can have. */
const mostJobs = 12_000;
/** How long startup waits for the queues of operations, in milliseconds. */
const startPatience = 2000;
const retryPause = 5000;

interface Known {
  run: OperationRun | null;
  counts: OperationCounts;
  jobs: MessageJobs;
  letters: DeadLetters | null;
  /** Why it could not be started; it is retried. */
  failure: string | null;
  timer: NodeJS.Timeout | undefined;
}

/** Runs operations: reads the queue of each active one from the start of Penstock to its end. */
export class Operator implements Operating {
  readonly #options: OperatorOptions;
  readonly #known = new Map<number, Known>();
  /** Actions on one operation run one after the other. */
  readonly #inTurn = openTurns<Known>();
  /** So do actions on a queue of dead letters, by its stream. */
  readonly #inTurnOnStream = openTurns<string>();
  #closed = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Starts all active ones. Waits a moment for all queues, so that no message misses them. */
  async start(): Promise<void> {
    const rows = await this.#options.store.operations.all();
    const begun = Promise.all(rows.map((row) => this.apply(row)));
    await Promise.race([begun, delay(startPatience, undefined, { ref: false })]);
  }

  /** Returns unsettled messages. Services go on running. */
  async stop(): Promise<void> {
    this.#closed = true;
    const all = [...this.#known.values()];
    for (const known of all) clearTimeout(known.timer);
    await Promise.all(all.map((known) => this.#inTurn(known, () => end(known))));
  }

  apply(row: OperationRow): Promise<void> {
    const known = this.#of(row);
    return this.#inTurn(known, async () => {
      if (this.#closed) return;
      clearTimeout(known.timer);
      try {
        await this.#go(known, row);
        known.failure = null;
      } catch (error) {
        known.failure = messageOf(error);
        this.#options.log.warn(
          { operation: row.id, error: known.failure },
          'cannot start operation; retrying',
        );
        this.#tryLater(known, row.id);
      }
    });
  }

  #tryLater(known: Known, id: number): void {
    if (this.#closed) return;
    known.timer = setTimeout(async () => {
      const row = await this.#options.store.operations.byId(id).catch(() => undefined);
      // The database may be readable later.
      if (row === undefined) this.#tryLater(known, id);
      else if (row !== null) await this.apply(row);
    }, retryPause);
    known.timer.unref();
  }

  /** Brings it from its current state to what the row says. */
  async #go(known: Known, row: OperationRow): Promise<void> {
    const { run } = known;
    if (run !== null && row.active && sameWork(run.row, row) && run.status().state !== 'failing') return;
    await end(known);
    const service = row.active && row.definition.processType === 'service';
    if (!service) await stopServices(this.#options, row.id);
    known.letters = null;
    if (!row.active) {
      await this.#makeQueue(row);
      return;
    }
    const make: MakeEngine = service
      ? (context) => serviceEngine(context, () => openService(this.#options, row))
      : (context) => jobsEngine(context, known.jobs);
    known.run = await beginOperation(
      this.#options,
      row,
      this.#queueOf(row),
      this.#lettersOf(known, row),
      make,
      known.counts,
    );
  }

  /** From now on messages wait for it. */
  async #makeQueue({ inputStream, ...row }: OperationRow): Promise<void> {
    const { streams } = this.#options;
    const queue = this.#queueOf(row);
    if ((await streams.counts(inputStream, queue)) !== null) return;
    const made = await streams.subscribe(inputStream, {
      queue,
      prefetch: 1,
      onMessage: (one) => one.giveBack(),
    });
    await made.close();
  }

  async remove(row: OperationRow): Promise<void> {
    const known = this.#of(row);
    await this.#inTurn(known, async () => {
      clearTimeout(known.timer);
      await end(known);
      await stopServices(this.#options, row.id);
      await this.#options.streams.remove(row.inputStream, this.#queueOf(row));
      await this.#lettersOf(known, row).remove();
    });
    this.#known.delete(row.id);
  }

  status(id: number): OperationStatus | null {
    const known = this.#known.get(id);
    if (known === undefined) return null;
    if (known.run !== null) return known.run.status();
    const { failure, counts } = known;
    return { state: 'waiting', reason: failure ?? 'it is starting', service: null, counts: { ...counts } };
  }

  lag(row: OperationRow): Promise<Lag | null> {
    return this.#options.streams.counts(row.inputStream, this.#queueOf(row)).catch(() => null);
  }

  async letters(row: OperationRow, most: number) {
    const letters = this.#lettersOf(this.#of(row), row);
    return { stream: letters.stream, ...(await letters.list(most)) };
  }

  async replay(row: OperationRow): Promise<number> {
    const known = this.#of(row);
    const { streams } = this.#options;
    const queue = this.#queueOf(row);
    if ((await streams.counts(row.inputStream, queue)) === null) {
      throw new PenstockError('conflict', 'The operation has no queue yet. Try again when it is running.');
    }
    return this.#lettersOf(known, row).take((letter) =>
      streams.publish(row.inputStream, revived(letter), undefined, queue),
    );
  }

  async moveLetters(row: OperationRow, changed: OperationRow): Promise<void> {
    const known = this.#of(row);
    await this.#inTurn(known, async () => {
      await end(known);
      const before = this.#lettersOf(known, row);
      known.letters = null;
      const after = this.#lettersOf(known, changed);
      // Which of the two counts is only known once the change is stored.
      known.letters = null;
      await before.take((letter) => after.put(letter));
      await before.remove();
    });
  }

  discard(row: OperationRow): Promise<number> {
    return this.#lettersOf(this.#of(row), row).take(async () => {});
  }

  /** The status of all that have been started. */
  statuses(): { id: number; status: OperationStatus }[] {
    return [...this.#known].flatMap(([id, { run }]) => (run === null ? [] : [{ id, status: run.status() }]));
  }

  #of({ id }: OperationRow): Known {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const made: Known = {
      run: null,
      counts: { received: 0, redelivered: 0, published: 0, failed: 0, dead: 0 },
      jobs: new MessageJobs(() => this.#jobsOf(id)),
      letters: null,
      failure: null,
      timer: undefined,
    };
    this.#known.set(id, made);
    return made;
  }

  async #jobsOf(id: number): Promise<MessageJob[]> {
    const jobs = await this.#options.store.jobs.messagesOfOperation(id, mostJobs);
    return jobs.flatMap(({ id: number, uuid, request: { message } }) =>
      message?.key == null ? [] : [{ id: number, uuid, key: message.key }],
    );
  }

  #queueOf = ({ id }: { id: number }): string => operationQueue(id, this.#options.instance);

  #lettersOf(known: Known, row: OperationRow): DeadLetters {
    if (known.letters !== null) return known.letters;
    const { deadLetters: named } = operationSettings(row);
    const { streams, ownStream, instance } = this.#options;
    const own = `${this.#queueOf(row)}-dead`;
    const stream = named ?? own;
    known.letters = deadLetters({
      streams,
      stream,
      queue: `dead-letters-${instance}`,
      operation: `/api/operation/${row.id}/`,
      own: named === null ? ownStream(row, own) : null,
      inTurn: (work) => this.#inTurnOnStream(stream, work),
    });
    return known.letters;
  }
}

async function end(known: Known): Promise<void> {
  const { run } = known;
  known.run = null;
  await run?.close();
}

/** False if anything has changed that matters for the work; a name does not. */
function sameWork(a: OperationRow, b: OperationRow): boolean {
  const work = (row: OperationRow) =>
    JSON.stringify([
      row.processDefinitionId,
      row.definition.revision,
      row.definition.processType,
      row.outputStream,
      row.document,
    ]);
  return work(a) === work(b);
}
