import type { Job } from '../domain/job.js';
import { unfinishedStates } from '../domain/job-state.js';
import type { PrismaClient } from './client.js';
import { jobOf } from './jobs.js';
import { ownedBy } from './page.js';

/** Jobs as tasks of the scheduler's protocol. */
export function taskRepository(reader: PrismaClient) {
  return {
    /** The tasks that have not reached their end, oldest first. `ownerId` null: everybody's. */
    async unfinished(ownerId: number | null): Promise<Job[]> {
      const rows = await reader.job.findMany({
        where: { ...ownedBy(ownerId), state: { in: [...unfinishedStates] }, task: { not: null } },
        orderBy: { id: 'asc' },
      });
      return rows.map(jobOf);
    },
  };
}
