import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { openTurns } from '../lib/turns.js';
import type { Store } from '../store/store.js';
import type { JobService } from '../usecases/jobs/jobs.js';

/**
 * Tells of a running job that its machine is out of reach, and why, and with null that it is back: in `waiting` and in
 * its history, each in its turn.
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
      // It ended meanwhile, or the database is out of order: what became of the job is told elsewhere.
      log.debug({ job: uuid, error: messageOf(error) }, 'cannot store that a machine is unreachable');
    }
  }

  return (uuid: string, waiting: string | null): void => {
    void inTurn(uuid, () => tell(uuid, waiting));
  };
}
