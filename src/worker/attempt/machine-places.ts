import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { Outcome } from '../../domain/jobs/outcome.js';

/** Where an attempt runs, if not on this machine. */
export interface Place {
  /** The machine's or the server's name. */
  host: string;
  /** An absolute path there, below which jobs work. */
  base: string;
  /** The attempt's own folder below that. */
  folder: string;
}

/** A job's request for a place. */
export interface Ask {
  /** Aborted when the place is no longer wanted. */
  signal: AbortSignal;
  /** Called with the reason for waiting whenever it changes. */
  tell(reason: string): void;
}

/** Gives jobs their places, and is told when they are free again. */
export interface Places {
  /** Resolves when there is a place; rejects with the reason if there will be none, or when it is no longer wanted. */
  take(job: Job, definition: ProcessDefinition, ask: Ask): Promise<Place>;
  /** The place of an attempt from before a restart; null if it had none yet. */
  found(job: Job, attempt: number): Promise<Place | null>;
  /** The attempt has ended with this outcome, or never started (null). */
  give(job: Job, attempt: number, outcome: Outcome | null): Promise<void>;
}
