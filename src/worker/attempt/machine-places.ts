import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { Outcome } from '../../domain/jobs/outcome.js';

/** Where an attempt of a job runs, besides this machine. */
export interface Place {
  /** The machine's or the server's name. */
  host: string;
  /** An absolute folder there, below which jobs work. */
  base: string;
  /** The attempt's own folder below that. */
  folder: string;
}

/** How a job asks for its place. */
export interface Ask {
  /** Aborted when it is not wanted any more. */
  signal: AbortSignal;
  /** Told why it has to wait, whenever that changes. */
  tell(reason: string): void;
}

/** Who gives jobs their places, and hears when these are free again. */
export interface Places {
  /** Resolves when there is a place; rejects if there will be none, with the reason, or when it is not wanted any more. */
  take(job: Job, definition: ProcessDefinition, ask: Ask): Promise<Place>;
  /** The place of an attempt that was begun before a restart; null if it had none yet. */
  found(job: Job, attempt: number): Promise<Place | null>;
  /** The attempt has ended, so, or was never begun (null). */
  give(job: Job, attempt: number, outcome: Outcome | null): Promise<void>;
}
