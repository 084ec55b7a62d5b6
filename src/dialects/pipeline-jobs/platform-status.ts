import type { EventName } from '../../domain/jobs/job-state.js';

/** The statuses of Agave and Aloe jobs, and the event that each means here. */
const meanings: Readonly<Record<string, EventName>> = {
  CREATED: 'resource',
  PERMISSION_GRANT: 'resource',
  PERMISSION_REVOKE: 'resource',
  PENDING: 'resource',
  STAGING_INPUTS: 'resource',
  CLEANING_UP: 'resource',
  ARCHIVING: 'resource',
  STAGING_JOB: 'resource',
  PAUSED: 'resource',
  QUEUED: 'resource',
  SUBMITTING: 'resource',
  STAGED: 'resource',
  PROCESSING_INPUTS: 'resource',
  ARCHIVING_FINISHED: 'resource',
  RUNNING: 'run',
  FINISHED: 'finish',
  FAILED: 'fail',
  STOPPED: 'fail',
  DELETED: 'fail',
  ARCHIVING_FAILED: 'fail',
};

/** The event that another platform's status means; a status that says nothing of ours is news all the same. */
export const eventOfStatus = (status: string): EventName => meanings[status.toUpperCase()] ?? 'update';
