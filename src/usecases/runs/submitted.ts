import type { Job } from '../../domain/jobs/job.js';

/** A job that was accepted, with the token for its events, which is shown once; null if the job already existed. */
export interface Submitted {
  job: Job;
  token: string | null;
}
