import type { Outcome } from '../../src/domain/jobs/outcome.js';
import type { ServiceState } from '../../src/domain/services/service.js';
import { jobOf, type ShownJob } from './jobs.js';
import type { TestServer } from './server.js';
import { waitFor } from './wait-for.js';

/** Keys of `service` by which restarts take no time. */
export const quick = { backoff: { initial: 0.02, factor: 1, maximum: 0.02 } };

/** What tests read of a service. */
type ShownService = ShownJob & { service: ServiceState | null; outcome: Outcome | null };

export const serviceOf = async (server: TestServer, uuid: string): Promise<ShownService> =>
  (await jobOf(server, uuid)) as ShownService;

/** Returns when the service is as wanted; throws when it has ended before. */
export async function untilService(
  server: TestServer,
  uuid: string,
  wanted: (service: ServiceState) => boolean,
  deadline?: number,
): Promise<ShownService> {
  let job: ShownService | undefined;
  return waitFor(
    async () => {
      job = await serviceOf(server, uuid);
      if (job.service !== null && wanted(job.service)) return job;
      if (job.state === 'FAILED' || job.state === 'FINISHED') {
        throw new Error(`it has ended: ${JSON.stringify(job.outcome)}`);
      }
      return undefined;
    },
    'the service to be as wanted',
    deadline,
    () => job?.service,
  );
}
