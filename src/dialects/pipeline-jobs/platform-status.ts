import type { EventName } from '../../domain/jobs/job-state.js';

/** The statuses of Agave and Aloe jobs, and the corresponding events. */
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

/** The event for another platform's status. An unknown status is an `update`. */
export const eventOfStatus = (status: string): EventName => meanings[status.toUpperCase()] ?? 'update';
