import type { ProcessDefinition } from '../domain/definitions/process-definition.js';
import type { Job } from '../domain/jobs/job.js';
import { isUnfinished } from '../domain/jobs/job-state.js';
import { ended, type Outcome, succeeded } from '../domain/jobs/outcome.js';
import { Queue, type QueueLimits, type Waiting } from '../domain/jobs/queue.js';
import { isBrokenPipe } from '../domain/pipelines/pipeline.js';
import type { Receipt } from '../drivers/executors/executor.js';
import { nothingToEnd } from '../drivers/processes/terminate.js';
import { messageOf, PenstockError } from '../lib/errors.js';
import { forgetSecrets } from './attempt/forget-secrets.js';
import { type Again, type RetryOptions, retry } from './attempt/retry.js';
import { newRun, persist, type Run, type RunContext } from './attempt/run.js';
import { collect, startProgram, waitForProgram } from './attempt/run-job.js';
import { stopRun } from './attempt/stop-run.js';
import { takePlace } from './attempt/take-place.js';

export interface LaneOptions extends RunContext, RetryOptions {
  /** The current limits of how many run at the same time. */
  limits: () => QueueLimits;
  /** False while nothing may be started because there is no disk space for its output. */
  mayStart?: () => boolean;
  /** The definition that a job runs. */
  definitionOf: (revisionId: number) => Promise<ProcessDefinition>;
  /** A job as stored in the database. */
  jobOf: (uuid: string) => Promise<Job | null>;
}

/** The longest timer that Node allows is about this: a later retry is checked again then. */
const longestTimer = 24 * 60 * 60 * 1000;

/** Milliseconds until a job that could not be read is read again. */
const unreadablePause = 1000;

/** The jobs that share a limit: starts waiting jobs in their turn, and sees each through to its end. */
export class Lane {
  readonly options: LaneOptions;
  readonly queue: Queue;
  readonly #active = new Map<string, { run: Promise<Run | null>; end: Promise<void> }>();
  /** Jobs that must wait until some time before they may queue. */
  readonly #delayed = new Map<string, { timer: NodeJS.Timeout; ownerId: number }>();
  /** Rows of jobs that were just accepted, so that they need not be read. */
  readonly #fresh = new Map<string, Job>();
  #open = false;

  constructor(options: LaneOptions) {
    this.options = options;
    this.queue = new Queue(options.limits);
  }

  /** From now on jobs are started. */
  open(): void {
    this.#open = true;
    this.#pump();
  }

  /** Call it when limits may have grown. */
  look(): void {
    this.#pump();
  }

  /** Starts no more jobs. Running programs go on, and the next start of Penstock finds them. */
  close(): void {
    this.#open = false;
    for (const { timer } of this.#delayed.values()) clearTimeout(timer);
  }

  /** Queues a waiting job, now or at its time. */
  submit(job: Job, definition: ProcessDefinition): void {
    if (this.#fresh.size < 1000) this.#fresh.set(job.uuid, job);
    this.enqueue(waitingOf(job, definition), job.notBefore);
  }

  enqueue(waiting: Waiting, notBefore: Date | null): void {
    const left = notBefore === null ? 0 : notBefore.getTime() - Date.now();
    if (left <= 0) {
      this.#delayed.delete(waiting.uuid);
      this.queue.add(waiting);
      this.#pump();
      return;
    }
    // Only the timer decides when the wait is over: somebody may set the clock meanwhile.
    const rest = left > longestTimer ? notBefore : null;
    const timer = setTimeout(() => this.enqueue(waiting, rest), Math.min(left, longestTimer));
    timer.unref();
    this.#delayed.set(waiting.uuid, { timer, ownerId: waiting.ownerId });
  }

  /** Continues a job whose program was found running, or ended, after a restart. */
  resume(waiting: Waiting, run: Run): void {
    this.queue.occupy(waiting);
    this.#begin(waiting, Promise.resolve(run));
  }

  /** True for a job that has had its turn: it waits for its place or runs. */
  isActive(uuid: string): boolean {
    return this.#active.has(uuid);
  }

  get active(): number {
    return this.#active.size;
  }

  get waiting(): number {
    return this.queue.waiting + this.#delayed.size;
  }

  waitingOf(ownerId: number): number {
    let delayed = 0;
    for (const waiting of this.#delayed.values()) if (waiting.ownerId === ownerId) delayed += 1;
    return this.queue.waitingOf(ownerId) + delayed;
  }

  #pump(): void {
    while (this.#open && this.options.mayStart?.() !== false) {
      const waiting = this.queue.next();
      if (waiting === undefined) return;
      this.#begin(waiting, this.#load(waiting));
    }
  }

  #begin(waiting: Waiting, loading: Promise<Run | null>): void {
    const end = loading
      .then((run) => (run === null ? null : this.#see(run)))
      .catch((error: unknown) => {
        this.options.log.error({ job: waiting.uuid, error: messageOf(error) }, 'cannot continue job');
      })
      .then((again) => {
        this.#active.delete(waiting.uuid);
        this.queue.release(waiting.uuid);
        // Only now: if it queued while it still counts as running, it could be started twice.
        if (again) this.submit(again.job, again.definition);
        this.#pump();
      });
    this.#active.set(waiting.uuid, { run: loading, end });
  }

  /** A waiting job's next attempt; null if there will be none now: the job is gone, or has to wait again. */
  async #load(waiting: Waiting): Promise<Run | null> {
    try {
      const job = this.#fresh.get(waiting.uuid) ?? (await this.options.jobOf(waiting.uuid));
      this.#fresh.delete(waiting.uuid);
      if (job === null || job.definitionRevisionId === null) return null;
      const definition = await this.options.definitionOf(job.definitionRevisionId);
      return newRun(this.options.files, { job: { ...job, attempt: job.attempt + 1 }, definition });
    } catch (error) {
      // Nothing was started: the job gets its turn when the database can be read again.
      this.options.log.error({ job: waiting.uuid, error: messageOf(error) }, 'cannot read job; retrying');
      this.enqueue(waiting, new Date(Date.now() + unreadablePause));
      return null;
    }
  }

  /** Runs one attempt to its end. Returns the job if it has to wait for another attempt. */
  async #see(run: Run): Promise<Again> {
    if (!isUnfinished(run.job.state)) return null;
    let outcome: Outcome;
    let attempted = run.handle !== null;
    const { attempt } = run.job;
    try {
      if (run.handle === null) {
        if (this.options.places !== undefined) await takePlace(this.options, this.options.places, run);
        const { recorded } = await startProgram(this.options, run);
        attempted = true;
        run.begun();
        // The program is running; its end is awaited while its start is being stored.
        const [job, result] = await Promise.all([recorded, waitForProgram(this.options, run)]);
        run.job = job;
        outcome = result;
      } else {
        run.begun();
        outcome = await waitForProgram(this.options, run);
      }
    } catch (error) {
      // An executor's failure is the platform's, not the program's.
      const reason = messageOf(error);
      if (run.stop === null)
        this.options.log.warn({ job: run.job.uuid, error: reason }, 'cannot run program');
      outcome = run.stop?.outcome ?? whatFailed(run, reason);
      run.permanent = error instanceof PenstockError;
      run.begun();
    }
    const again = await this.#conclude(run, outcome, attempted);
    if (run.place !== null) await this.options.places?.give(run.job, attempt, outcome);
    return again;
  }

  async #conclude(run: Run, given: Outcome, attempted: boolean): Promise<Again> {
    const context = this.options;
    const { definition } = run;
    const collected = attempted
      ? await collect(context, run, given)
      : { outcome: given, change: { attempt: run.job.attempt } };
    const { change } = collected;
    const outcome = lostReader(run.job, collected.outcome);
    const end = () => ({ ...change, outcome, ended: new Date(), waiting: null });
    if (succeeded(outcome, definition.successCodes)) {
      await persist(context, run.job, 'finish', end(), outcome);
      this.#forgetSecrets(run);
      return null;
    }
    const again = await retry(context, run, outcome);
    if (again === null) {
      await persist(context, run.job, 'fail', end(), outcome);
      this.#forgetSecrets(run);
    }
    return again;
  }

  /** The values of a run's variables are kept only as long as an attempt may need them. */
  #forgetSecrets({ job, definition }: Pick<Run, 'job' | 'definition'>): void {
    forgetSecrets(this.options.files, job, definition);
  }

  /**
   * Ends a job, whether it waits or runs, with every process that it started.
   *
   * @returns what was signalled, once the job's end is stored; undefined if it has ended already
   */
  async cancel(job: Job, by: string): Promise<Receipt | undefined> {
    const outcome = ended('cancelled', `Cancelled by ${by}.`);
    const delayed = this.#delayed.get(job.uuid);
    if (this.queue.remove(job.uuid) || delayed !== undefined) {
      clearTimeout(delayed?.timer);
      this.#delayed.delete(job.uuid);
      this.#fresh.delete(job.uuid);
      await persist(
        this.options,
        job,
        'fail',
        { outcome, ended: new Date(), waiting: null, notBefore: null },
        outcome,
      );
      const definition = await this.options.definitionOf(job.definitionRevisionId ?? 0).catch(() => null);
      forgetSecrets(this.options.files, job, definition ?? { inputs: null, mainInput: null });
      return nothingToEnd;
    }
    const active = this.#active.get(job.uuid);
    if (active === undefined) return undefined;
    const run = await active.run;
    const receipt = run === null ? undefined : await stopRun(this.options, run, outcome);
    await active.end;
    // It may have failed by itself a moment before, and by now wait for another attempt.
    const after = await this.cancel(job, by);
    return receipt ?? after;
  }
}

/** A program that was started may have run to its end, so it is not rerun just because its end is unknown. */
const whatFailed = ({ handle }: Run, reason: string): Outcome =>
  handle === null ? ended('platform', reason) : ended('lost', `How the program ended is unknown: ${reason}`);

/** A program that writes into a pipe ends by SIGPIPE if its reader ends first; the reason says so. */
function lostReader({ request }: Job, outcome: Outcome): Outcome {
  const lost = request.joined?.to !== undefined && isBrokenPipe(outcome);
  return lost ? { ...outcome, reason: 'The program that read its output had ended.' } : outcome;
}

/** What decides a job's turn. */
export const waitingOf = (
  job: Pick<Job, 'id' | 'uuid' | 'ownerId' | 'processDefinitionId' | 'priority' | 'request'>,
  definition: ProcessDefinition,
): Waiting => ({
  id: job.id,
  uuid: job.uuid,
  ownerId: job.ownerId,
  definitionId: job.processDefinitionId ?? 0,
  concurrency: definition.concurrency,
  priority: job.priority,
  // The reader of a pipe starts at once, because its writer is already waiting for it.
  atOnce: job.request.attended === true || job.request.joined?.from !== undefined,
});
