import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import { type Job, pipelineExecutor } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { ended } from '../../domain/jobs/outcome.js';
import type { Plan } from '../../domain/pipelines/pipeline-plan.js';
import type { Receipt } from '../../drivers/executors/executor.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import type { Store } from '../../store/store.js';
import type { JobNews } from '../../usecases/jobs/jobs.js';
import { persist } from '../attempt/run.js';
import type { LaneOptions } from '../lane.js';
import { PipelineRun } from './pipeline-run.js';
import type { PipelineContext } from './pipeline-steps.js';
import { cancelStepJob, pipesFolder, resetStepJob, type StepRunner } from './step-jobs.js';

const piece = 1000;
const afterTrouble = 1000;

/**
 * Runs pipelines: a pipeline's job advances as the jobs of its steps end. It takes no slot in the queue itself; the
 * jobs of its steps queue like all others.
 */
class Pipelines {
  readonly #context: PipelineContext;
  /** By the id of the pipeline's job. */
  readonly #runs = new Map<number, PipelineRun>();
  /** Jobs that are being prepared to run again, by the same id. */
  readonly #resuming = new Map<number, Promise<void>>();
  #closed = false;

  constructor(context: PipelineContext) {
    this.#context = context;
    context.jobs.news.on('news', this.#heard);
  }

  readonly #heard = ({ job }: JobNews) => {
    if (job.parentId !== null) this.#runs.get(job.parentId)?.heard(job);
  };

  /** At startup, before any job is started: continues unfinished pipelines. */
  async recover(): Promise<number> {
    const jobs = await this.#context.store.stepJobs.unfinishedPipelines();
    for (const job of jobs) {
      if (job.state === 'RESET') this.#prepare(job);
      else this.submit(job);
    }
    return jobs.length;
  }

  /** Takes on a pipeline's job that waits or runs. */
  submit(job: Job): void {
    if (this.#closed) return;
    const run = new PipelineRun(this.#context, job);
    this.#runs.set(job.id, run);
    void run.end.then(() => {
      if (this.#runs.get(job.id) === run) this.#runs.delete(job.id);
    });
    run.kick();
  }

  /** Leaves everything to the next start of Penstock. */
  close(): void {
    this.#closed = true;
    this.#context.jobs.news.off('news', this.#heard);
    for (const run of this.#runs.values()) run.close();
  }

  /** @returns what was signalled, once it has ended; undefined if it has ended already */
  async cancel(job: Job, by: string): Promise<Receipt | undefined> {
    await this.#resuming.get(job.id);
    return this.#runs.get(job.id)?.stop(ended('cancelled', `Cancelled by ${by}.`));
  }

  /** Ends any job that runs here: a pipeline's with all its steps, a step's even before it is in a lane. */
  readonly cancelAny = (job: Job, by: string): Promise<Receipt | undefined> => {
    if (job.executor === pipelineExecutor) return this.cancel(job, by);
    if (job.parentId !== null) return cancelStepJob(this.#context, job.uuid, by);
    return this.#context.runner.cancel(job, by);
  };

  /**
   * Resumes a failed pipeline's job where it failed.
   *
   * @param again the steps that are run again although they succeeded
   */
  async resume(job: Job, again: string[], by: string): Promise<Job> {
    const plan: Plan = { ...(job.plan as Plan), stop: null, again };
    const change = {
      plan,
      outcome: null,
      ended: null,
      started: null,
      outputPath: null,
      outputSize: null,
      outputs: null,
    };
    const { job: reset } = await this.#context.jobs.record(
      job,
      'reset',
      (current) => {
        if (current.state === 'FAILED') return change;
        throw new PenstockError(
          'illegal-transition',
          `The job is ${current.state}; only a failed job can be resumed.`,
        );
      },
      { resumed_by: by, again },
    );
    this.#prepare(reset);
    return reset;
  }

  #prepare(job: Job): void {
    const done = this.#resumed(job).finally(() => this.#resuming.delete(job.id));
    this.#resuming.set(job.id, done);
  }

  /** Resets the jobs that must run again, which may have begun before a crash, and starts the pipeline. */
  async #resumed(job: Job): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#sendBack(job);
        this.submit(await persist(this.#context, job, 'ready', {}));
        return;
      } catch (error) {
        const fields = { job: job.uuid, error: messageOf(error) };
        if (!this.#closed) this.#context.log.error(fields, 'cannot resume pipeline; retrying');
        await delay(afterTrouble, undefined, { ref: false });
      }
    }
  }

  async #sendBack(job: Job): Promise<void> {
    const { store, files } = this.#context;
    const again = (job.plan as Plan).again ?? [];
    for (let after = 0; ; ) {
      const rows = await store.stepJobs.of(job.id, after, piece);
      for (const { uuid, state, step } of rows) {
        if (isUnfinished(state) || (state !== 'FAILED' && !again.includes(step ?? ''))) continue;
        const child = await store.jobs.byUuid(uuid);
        if (child !== null) await resetStepJob(this.#context, child);
      }
      after = rows.at(-1)?.id ?? after;
      if (rows.length < piece) break;
    }
    await rm(pipesFolder(files, job.uuid), { recursive: true, force: true });
    await rm(path.join(files.attempt(job.uuid, job.attempt), 'gathered'), { recursive: true, force: true });
  }
}

/** @param runner runs the jobs of steps, in their turn among all others */
export const openPipelines = (
  options: LaneOptions & { store: Store; uuids: TypedUuids },
  runner: StepRunner,
): Pipelines =>
  new Pipelines({
    ...options,
    runner,
    uuidOf: (parent, step, item) => options.uuids.computed('job', `${parent}:${step}:${item ?? ''}`),
    itemsAtOnce: 2 * options.limits().running,
  });
