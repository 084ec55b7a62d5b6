import { expect, test } from 'vitest';
import type { Job } from '../../../src/domain/jobs/job.js';
import { openLog } from '../../../src/lib/log.js';
import { Lane, type LaneOptions } from '../../../src/worker/lane.js';
import { waitFor } from '../../support/wait-for.js';

test('a job that cannot be read at its turn keeps its place, and is looked at again', async () => {
  const looks: string[] = [];
  const worker = new Lane({
    limits: () => ({ running: 1, runningPerUser: 1 }),
    log: openLog('silent'),
    jobOf: async (uuid: string): Promise<Job | null> => {
      looks.push(uuid);
      if (looks.length === 1) throw new Error('disk I/O error');
      return null; // By now it was removed: there is nothing to run.
    },
  } as unknown as LaneOptions);
  worker.enqueue(
    { id: 1, uuid: 'a', ownerId: 1, definitionId: 1, concurrency: null, priority: 0, atOnce: false },
    null,
  );
  worker.open();
  await waitFor(() => looks.length === 1 && worker.active === 0, 'the first look');
  expect(worker.waiting).toBe(1);
  await waitFor(() => looks.length === 2, 'the second look');
  await waitFor(() => worker.waiting + worker.active === 0, 'the job to be gone');
  worker.close();
});
