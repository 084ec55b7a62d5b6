import type { State } from '../../domain/jobs/job-state.js';
import type { Outcome } from '../../domain/jobs/outcome.js';
import type { Failure, StepState } from '../../domain/pipelines/pipeline.js';
import type { PlannedStep } from '../../domain/pipelines/pipeline-plan.js';

/** What matters here about a step's job. */
export interface StepJob {
  uuid: string;
  step: string | null;
  item: number | null;
  state: State;
  outcome: Outcome | null;
  notBefore: Date | null;
  ended: Date | null;
}

/** The progress of one step of a running pipeline: kept up to date by the events of its jobs, and rebuilt from their rows. */
export class StepProgress implements StepState {
  readonly step: PlannedStep;
  total: number | null;
  next = 0;
  /** Ascending. */
  todo: number[] = [];
  readonly #unended = new Map<number, StepJob>();
  readonly #resting = new Map<number, StepJob>();
  readonly #failed = new Map<number, Failure>();
  readonly #finished = new Set<number>();

  constructor(step: PlannedStep) {
    this.step = step;
    this.total = step.each === null ? 1 : null;
  }

  get unended(): number {
    return this.#unended.size;
  }
  get resting(): number {
    return this.#resting.size;
  }
  get failed(): number {
    return this.#failed.size;
  }
  get finished(): number {
    return this.#finished.size;
  }
  hasFinished(item: number): boolean {
    return this.#finished.has(item);
  }

  get failures(): Failure[] {
    return [...this.#failed.values()];
  }
  /** All jobs that have not ended. */
  get open(): StepJob[] {
    return [...this.#unended.values(), ...this.#resting.values()];
  }
  isResting(item: number): boolean {
    return this.#resting.has(item);
  }
  unendedJob(item: number): StepJob | undefined {
    return this.#unended.get(item);
  }

  /** Records the new state of a job. */
  note(job: StepJob): void {
    const item = job.item ?? 0;
    for (const kept of [this.#unended, this.#resting, this.#failed, this.#finished]) kept.delete(item);
    // `todo` may be long; jobs that are new here are not in it.
    const at = item < this.next ? this.todo.indexOf(item) : -1;
    if (at >= 0) this.todo.splice(at, 1);
    // Any in between were missed because of a crash.
    for (; this.next < item; this.next += 1) this.todo.push(this.next);
    if (this.next === item) this.next += 1;
    if (job.state === 'RESET' && job.notBefore === null) {
      this.#resting.set(item, job);
      // Nearly always it is the highest: they come in order.
      let place = this.todo.length;
      while (place > 0 && (this.todo[place - 1] ?? 0) > item) place -= 1;
      this.todo.splice(place, 0, item);
    } else if (job.state === 'CREATED' || job.state === 'RUNNING' || job.state === 'RESET') {
      // A reset with a time is a retry, which the lane handles.
      this.#unended.set(item, job);
    } else if (job.state === 'FAILED') {
      const outcome = job.outcome ?? { cause: 'lost', exit_code: null, signal: null, reason: null };
      this.#failed.set(item, {
        step: this.step.name,
        item: job.item,
        outcome,
        ended: job.ended ?? new Date(0),
      });
    } else this.#finished.add(item);
  }

  /** Jobs beyond the last item, from an input with more items. They are forgotten here. */
  surplus(): StepJob[] {
    const total = this.total ?? Number.POSITIVE_INFINITY;
    const jobs = [...this.#resting].filter(([item]) => item >= total);
    for (const [item] of jobs) this.#resting.delete(item);
    this.todo = this.todo.filter((item) => item < total);
    this.next = Math.min(this.next, total);
    return jobs.map(([, job]) => job);
  }
}
