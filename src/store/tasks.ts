import type { Job } from '../domain/jobs/job.js';
import { unfinishedStates } from '../domain/jobs/job-state.js';
import { jobOf } from './jobs.js';
import { ownedBy } from './page.js';
import type { PrismaClient } from './sqlite/client.js';

/** Jobs as tasks of the scheduler's protocol. */
export function taskRepository(reader: PrismaClient) {
  return {
    /**
     * Unfinished tasks, oldest first: those after the job of that id, at most `most`.
     *
     * @param ownerId null: everybody's
     */
    async unfinished(ownerId: number | null, after: number, most: number): Promise<Job[]> {
      const rows = await reader.job.findMany({
        where: {
          ...ownedBy(ownerId),
          id: { gt: after },
          state: { in: [...unfinishedStates] },
          task: { not: null },
        },
        orderBy: { id: 'asc' },
        take: most,
      });
      return rows.map(jobOf);
    },
  };
}
