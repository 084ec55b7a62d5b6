import type { Job } from '../../domain/jobs/job.js';

/** A job that was accepted, with the token for its events, which is told once: null for one that was there already. */
export interface Submitted {
  job: Job;
  token: string | null;
}
