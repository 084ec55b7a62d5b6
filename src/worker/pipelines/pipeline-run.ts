import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Job, JobOutputs } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { ended, exited, type Outcome } from '../../domain/jobs/outcome.js';
import { failedOutcome, type Move, movesOf } from '../../domain/pipelines/pipeline.js';
import type { Plan } from '../../domain/pipelines/pipeline-plan.js';
import type { Receipt } from '../../drivers/executors/executor.js';
import { secondsSince, thisMoment } from '../../drivers/processes/boot-clock.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import { fileSize } from '../../store/folder/job-files.js';
import { persist } from '../attempt/run.js';
import { type PipelineContext, PipelineSteps } from './pipeline-steps.js';
import { place } from './step-files.js';
import { pipesFolder } from './step-jobs.js';
import type { StepJob } from './step-progress.js';

const afterTrouble = 1000;

/** Errors that a program may have caused in its files, and that a retry does not help. */
const programsDoing = ['EACCES', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOENT', 'ENOTDIR', 'EPERM'];

/** Node's timer fires at once if it is longer. */
const longestTimer = 2 ** 31 - 1;

/**
 * A pipeline's job while it runs. What is in memory comes from rows and can be rebuilt from them at any time; the
 * domain decides what comes next.
 */
export class PipelineRun {
  readonly #context: PipelineContext;
  job: Job;
  #plan: Plan;
  #steps: PipelineSteps;
  /** News that arrived while the rows were being read; null once they have been read. */
  #early: StepJob[] | null = [];
  #wanted = false;
  #turning = false;
  #closed = false;
  #alarm: NodeJS.Timeout | undefined;
  readonly #receipts: Receipt[] = [];
  #over: () => void = () => {};
  /** Resolves when the job has ended, or this process has stopped working on it. */
  readonly end = new Promise<void>((resolve) => {
    this.#over = resolve;
  });

  constructor(context: PipelineContext, job: Job) {
    this.#context = context;
    this.job = job;
    this.#plan = { ...(job.plan as Plan) };
    this.#steps = new PipelineSteps(context, job, this.#plan);
  }

  /** Continues soon. */
  kick(): void {
    this.#wanted = true;
    if (this.#turning || this.#closed) return;
    this.#turning = true;
    void this.#turns().finally(() => {
      this.#turning = false;
      if (this.#wanted && !this.#closed) this.kick();
    });
  }

  /** Leaves everything as it is. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#alarm);
    this.#over();
  }

  /** The new state of one of its steps' jobs. */
  heard(job: StepJob): void {
    if (this.#early !== null) this.#early.push(job);
    else {
      this.#steps.note(job);
      if (job.state === 'RUNNING' && !this.#isStopping()) {
        this.#steps.startReaders(job.step ?? '').catch((error: unknown) => {
          // The rows are read again, and the readers started as after a crash.
          this.#early ??= [];
          void this.#trouble(error).then(() => this.kick());
        });
      }
    }
    this.kick();
  }

  /** Ends it early. @returns what was signalled, once it has ended */
  async stop(outcome: Outcome): Promise<Receipt> {
    await this.#setStop(outcome);
    this.kick();
    await this.end;
    return {
      signalled: this.#receipts.flatMap(({ signalled }) => signalled),
      survivors: this.#receipts.flatMap(({ survivors }) => survivors),
      unproven: this.#receipts.find(({ unproven }) => unproven !== null)?.unproven ?? null,
    };
  }

  #isStopping(): boolean {
    return this.#plan.stop !== null || this.#steps.failing;
  }

  /** The first cause is kept, in the row too, so that it is the same after a crash. */
  async #setStop(outcome: Outcome): Promise<void> {
    if (this.#isStopping() || !isUnfinished(this.job.state)) return;
    this.#plan.stop = outcome;
    try {
      this.job = await persist(this.#context, this.job, 'update', { plan: this.#plan }, { stop: outcome });
    } catch (error) {
      // It has just ended, or is about to start, which stores the plan as well.
      this.#context.log.info({ job: this.job.uuid, error: messageOf(error) }, 'pipeline stopped');
    }
  }

  async #turns(): Promise<void> {
    while (this.#wanted && !this.#closed && isUnfinished(this.job.state)) {
      this.#wanted = false;
      try {
        if (this.job.state === 'CREATED') await this.#begin();
        if (this.#early !== null) await this.#load();
        for (const move of movesOf(this.#plan, this.#steps.all, this.#context.itemsAtOnce)) {
          if (this.#closed) return;
          await this.#make(move);
          this.#wanted = true;
        }
      } catch (error) {
        if (this.#closed) return;
        await this.#trouble(error);
      }
    }
  }

  /** A permanent error ends the pipeline; after any other the rows are read again, and it is retried. */
  async #trouble(error: unknown): Promise<void> {
    const lasting =
      error instanceof PenstockError
        ? !['store-unavailable', 'disk-full', 'internal'].includes(error.code)
        : programsDoing.includes((error as NodeJS.ErrnoException).code ?? '');
    const fields = { job: this.job.uuid, error: messageOf(error) };
    if (lasting) {
      this.#context.log.warn(fields, 'cannot continue pipeline');
      await this.#setStop(ended('platform', messageOf(error)));
    } else {
      this.#context.log.error(fields, 'cannot continue pipeline; retrying');
      this.#early ??= [];
      await delay(afterTrouble, undefined, { ref: false });
    }
    this.#wanted = true;
  }

  async #begin(): Promise<void> {
    const attempt = this.job.attempt + 1;
    await mkdir(this.#context.files.attempt(this.job.uuid, attempt), { recursive: true, mode: 0o700 });
    this.#plan.again = null;
    this.#plan.began = thisMoment();
    const change = { attempt, started: new Date(), waiting: null, plan: this.#plan };
    this.job = await persist(this.#context, this.job, 'run', change, {
      attempt,
      executor: this.job.executor,
    });
  }

  /** Reads the progress of everything, and starts what should have been started before a restart. */
  async #load(): Promise<void> {
    this.#early = [];
    const steps = new PipelineSteps(this.#context, this.job, this.#plan);
    await steps.load();
    this.#steps = steps;
    for (const job of this.#early) steps.note(job);
    this.#early = null;
    this.#setAlarm();
    if (!this.#isStopping()) await steps.submitWaiting();
  }

  #setAlarm(): void {
    clearTimeout(this.#alarm);
    const seconds = this.job.request.timeout ?? this.#plan.timeout;
    if (seconds === null || seconds === undefined) return;
    const left = (seconds - secondsSince(this.#plan.began, this.job.started)) * 1000;
    const ring = () => {
      if (left > longestTimer) this.#setAlarm();
      else
        void this.#setStop(ended('timeout', `It took longer than its ${seconds} s.`)).then(() => this.kick());
    };
    this.#alarm = setTimeout(ring, Math.max(0, Math.min(left, longestTimer)));
    this.#alarm.unref();
  }

  async #make(move: Move): Promise<void> {
    switch (move.do) {
      case 'count':
        return this.#count(move.step);
      case 'start':
        return this.#steps.start(move.step, move.items);
      case 'cancel':
        this.#receipts.push(...(await this.#steps.cancel(this.#why())));
        return;
      case 'finish':
        return this.#finish();
      case 'fail':
        return this.#fail();
    }
  }

  async #count(step: string): Promise<void> {
    const { total, note } = await this.#steps.count(step);
    if (this.#plan.totals[step] === total) return;
    this.#plan.totals = { ...this.#plan.totals, [step]: total };
    const data = { step, items: total, ...(note ? { note } : {}) };
    this.job = await persist(this.#context, this.job, 'update', { plan: this.#plan }, data);
  }

  /** What cancels the jobs of its steps, for `Cancelled by …`. */
  #why(): string {
    const { stop } = this.#plan;
    if (stop === null) return `its pipeline, whose step '${this.#steps.firstFailure?.step}' failed`;
    return stop.cause === 'timeout' ? 'its pipeline, which timed out' : 'its pipeline, which was ended';
  }

  async #finish(): Promise<void> {
    const { files } = this.#context;
    const { uuid, attempt, request } = this.job;
    const found = await this.#steps.output();
    if (found === null) throw new PenstockError('gone', 'There is no output.');
    const name = request.output?.name ?? found.name;
    const folder = path.join(files.attempt(uuid, attempt), 'output');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const output = path.join(folder, name);
    await place(found.file, output, false);
    const outputPath = path.relative(files.folder(uuid), output);
    await this.#conclude('finish', exited(0), {
      outputName: name,
      outputPath,
      outputSize: fileSize(output),
      outputs: await this.#outputs(outputPath, name),
    });
    // Those of a failed pipeline are kept, because a resume may need them.
    if (request.environment !== undefined || request.inputs !== undefined)
      files.forgetEnvironment(uuid, attempt);
  }

  /** What the pipeline declares, taken from its steps. */
  async #outputs(mainPath: string, mainName: string): Promise<JobOutputs | null> {
    const { outputs: declared, output: main } = this.#plan;
    if (declared === undefined) return null;
    const { files } = this.#context;
    const { uuid, attempt } = this.job;
    const outputs: JobOutputs = { files: {}, values: {} };
    for (const [name, source] of Object.entries(declared)) {
      const [made, value] = await this.#steps.files.valueOf(source);
      if (made) {
        outputs.values[name] = value;
        continue;
      }
      if (source.step === main.step && source.output === main.output) {
        const size = fileSize(path.join(files.folder(uuid), mainPath)) ?? 0;
        outputs.files[name] = [{ name: mainName, size, path: mainPath }];
        continue;
      }
      const own = path.join(files.attempt(uuid, attempt), 'outputs', name);
      const taken: JobOutputs['files'][string] = [];
      for (const one of await this.#steps.files.all(source)) {
        const target = path.join(own, one.name);
        await mkdir(path.dirname(target), { recursive: true, mode: 0o700 });
        await place(one.file, target, false);
        taken.push({
          name: one.name,
          size: fileSize(target) ?? 0,
          path: path.relative(files.folder(uuid), target),
        });
      }
      if (taken.length > 0) outputs.files[name] = taken;
    }
    return outputs;
  }

  async #fail(): Promise<void> {
    const first = this.#steps.firstFailure;
    const outcome = this.#plan.stop ?? (first === undefined ? ended('lost') : failedOutcome(first));
    await this.#conclude('fail', outcome, {});
  }

  async #conclude(event: 'finish' | 'fail', outcome: Outcome, more: object): Promise<void> {
    await rm(pipesFolder(this.#context.files, this.job.uuid), { recursive: true, force: true });
    const change = { ...more, outcome, ended: new Date(), waiting: null };
    this.job = await persist(this.#context, this.job, event, change, outcome);
    this.close();
  }
}
