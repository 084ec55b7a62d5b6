import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { openTurns } from '../lib/turns.js';
import type { Store } from '../store/store.js';
import type { JobService } from '../usecases/jobs/jobs.js';

/**
 * Records that a running job's machine is unreachable and why, or with null that it is back: in `waiting` and in the
 * history, one after the other.
 */
export function outOfReachTeller(context: { store: Store; jobs: JobService; log: Logger }) {
  const { store, jobs, log } = context;
  const inTurn = openTurns<string>();

  async function tell(uuid: string, waiting: string | null): Promise<void> {
    try {
      const job = await store.jobs.byUuid(uuid);
      if (job?.state !== 'RUNNING' || job.waiting === waiting) return;
      await jobs.record(job, 'resource', { waiting }, { waiting });
    } catch (error) {
      // It ended meanwhile, or the database is unavailable: the job's outcome is recorded elsewhere.
      log.debug({ job: uuid, error: messageOf(error) }, 'cannot store that a machine is unreachable');
    }
  }

  return (uuid: string, waiting: string | null): void => {
    void inTurn(uuid, () => tell(uuid, waiting));
  };
}
