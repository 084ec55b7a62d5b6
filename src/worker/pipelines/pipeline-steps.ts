import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job } from '../../domain/jobs/job.js';
import { type Failure, firstFailure } from '../../domain/pipelines/pipeline.js';
import { groupOf, type Plan, type PlannedStep } from '../../domain/pipelines/pipeline-plan.js';
import type { Receipt } from '../../drivers/executors/executor.js';
import { makePipes } from '../../drivers/processes/pipes.js';
import { StepFiles } from './step-files.js';
import { type Items, itemsOf } from './step-items.js';
import { cancelStepJob, makeReady, makeStepJob, pipeOf, pipesFolder, type StepContext } from './step-jobs.js';
import { type StepJob, StepProgress } from './step-progress.js';

export interface PipelineContext extends StepContext {
  /** The UUID of a step's job, computed so that it is unique. */
  uuidOf: (parent: string, step: string, item: number | null) => string;
  /** How many items of a step are in progress at once, by default. */
  itemsAtOnce: number;
}

/** How many rows are read, and jobs created or ended, at once. */
const piece = 1000;
const atOnce = 16;

/** The steps of a pipeline's job while it runs: their progress, from their rows, and the actions on them. */
export class PipelineSteps {
  readonly #context: PipelineContext;
  readonly #job: Job;
  readonly #plan: Plan;
  readonly #items = new Map<string, Items>();
  readonly #files: StepFiles;
  readonly all: ReadonlyMap<string, StepProgress>;

  constructor(context: PipelineContext, job: Job, plan: Plan) {
    this.#context = context;
    this.#job = job;
    this.#plan = plan;
    this.all = new Map(plan.steps.map((step) => [step.name, new StepProgress(step)]));
    this.#files = new StepFiles({
      store: context.store,
      files: context.files,
      job,
      plan,
      uuidOf: this.#uuidOf,
      totalOf: this.#totalOf,
    });
  }

  readonly #uuidOf = (step: string, item: number | null) => this.#context.uuidOf(this.#job.uuid, step, item);
  readonly #totalOf = (step: string) => this.all.get(step)?.total ?? 0;

  /** The files of its steps. */
  get files(): StepFiles {
    return this.#files;
  }

  /** The file with the pipeline's output. */
  output = () => this.#files.of(this.#plan.output);

  get failing(): boolean {
    return [...this.all.values()].some(({ failed }) => failed > 0);
  }

  /** All jobs that have not ended. */
  get open(): StepJob[] {
    return [...this.all.values()].flatMap((progress) => progress.open);
  }

  /** The failure that caused all others. */
  get firstFailure(): Failure | undefined {
    return firstFailure(
      this.#plan,
      [...this.all.values()].flatMap(({ failures }) => failures),
    );
  }

  note(job: StepJob): void {
    this.all.get(job.step ?? '')?.note(job);
  }

  /** Reads the progress of everything. */
  async load(): Promise<void> {
    for (let after = 0; ; ) {
      const rows = await this.#context.store.stepJobs.of(this.#job.id, after, piece);
      for (const row of rows) this.note(row);
      after = rows.at(-1)?.id ?? after;
      if (rows.length < piece) return;
    }
  }

  /** Submits waiting jobs to the worker: after a crash nobody else would. */
  async submitWaiting(): Promise<void> {
    for (const { step, open } of this.all.values()) {
      if (this.#waitsForWriter(step)) continue;
      for (const job of open) await this.#submit(step, job);
    }
  }

  /** True for a reader whose pipe has no writer yet. */
  #waitsForWriter(step: PlannedStep): boolean {
    const [first] = groupOf(this.#plan, step.name);
    if (first === undefined || first.name === step.name) return false;
    const writer = this.all.get(first.name);
    return writer?.unendedJob(0)?.state !== 'RUNNING' && writer?.failed === 0 && writer.finished === 0;
  }

  /** Starts the readers of pipes once the first writer has started. */
  async startReaders(name: string): Promise<void> {
    const group = groupOf(this.#plan, name);
    if (group.length < 2 || group[0]?.name !== name) return;
    await Promise.all(
      group.slice(1).map((step) => this.#submit(step, this.all.get(step.name)?.unendedJob(0))),
    );
  }

  async #submit(step: PlannedStep, known: StepJob | undefined): Promise<void> {
    const { store, files, definitionOf, runner } = this.#context;
    const job = known?.state === 'CREATED' ? await store.jobs.byUuid(known.uuid) : null;
    if (job?.state !== 'CREATED') return;
    // A crash may have interrupted its creation here.
    files.accept(job.uuid);
    runner.submit(job, await definitionOf(step.revisionId));
  }

  /** Counts the jobs of a step. Any surplus jobs belong to an earlier input. */
  async count(name: string): Promise<Items> {
    const { store, files, jobs } = this.#context;
    const progress = this.all.get(name) as StepProgress;
    const items = await itemsOf(progress.step, this.#files, this.#totalOf);
    this.#items.set(name, items);
    progress.total = items.total;
    for (const { uuid } of progress.surplus()) {
      const job = await store.jobs.byUuid(uuid);
      await files.remove(uuid);
      if (job !== null) await jobs.remove(job);
    }
    return items;
  }

  /** Starts jobs of a step, and those joined to them. */
  async start(name: string, items: readonly number[]): Promise<void> {
    const group = groupOf(this.#plan, name);
    await this.#makePipes(group);
    for (let at = 0; at < items.length; at += atOnce) {
      const begun = items.slice(at, at + atOnce).map((item) => this.#startOne(group, item));
      // Even if one cannot be started, wait for the others before doing anything else, such as ending them all.
      for (const one of await Promise.allSettled(begun)) if (one.status === 'rejected') throw one.reason;
    }
  }

  async #makePipes(group: readonly PlannedStep[]): Promise<void> {
    const { files } = this.#context;
    const pipes = group.slice(0, -1).map((step) => pipeOf(files, this.#job.uuid, step.name));
    // Existing pipes may be in use, if there was a crash since they were made.
    const missing = pipes.filter((pipe) => !existsSync(pipe));
    if (missing.length === 0) return;
    await mkdir(pipesFolder(files, this.#job.uuid), { recursive: true, mode: 0o700 });
    await makePipes(missing);
  }

  /** The first writer is created last, since the others wait for it. */
  async #startOne(group: readonly PlannedStep[], item: number): Promise<void> {
    const context = this.#context;
    const whole = {
      job: this.#job,
      plan: this.#plan,
      files: this.#files,
      uuidOf: this.#uuidOf,
      items: this.#items,
    };
    for (const step of [...group].reverse()) {
      const progress = this.all.get(step.name) as StepProgress;
      if (progress.unendedJob(item) !== undefined) continue;
      const make = progress.isResting(item) ? makeReady : makeStepJob;
      const job = await make(context, whole, step, step.each === null ? null : item);
      if (step === group[0]) context.runner.submit(job, await context.definitionOf(step.revisionId));
    }
  }

  /** Ends all unfinished jobs. @returns what was signalled */
  async cancel(by: string): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    const { open } = this;
    for (let at = 0; at < open.length; at += atOnce) {
      const ends = open.slice(at, at + atOnce).map(({ uuid }) => cancelStepJob(this.#context, uuid, by));
      for (const receipt of await Promise.all(ends)) if (receipt !== undefined) receipts.push(receipt);
    }
    // The event of a job that ended by itself is on its way.
    if (this.open.length > 0) await delay(10);
    return receipts;
  }
}
