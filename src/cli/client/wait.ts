import { setTimeout as sleep } from 'node:timers/promises';
import { type CliIo, tell } from '../terminal/io.js';
import { WaitLine } from '../terminal/progress.js';
import type { Client, Json } from './client.js';
import { ServerError } from './failure.js';
import { hasEnded, isReady } from './outcome.js';
import { ConnectionError } from './transport.js';

/** How long one request waits, in seconds: short enough for any proxy in between. */
const waitSeconds = 25;
/** Milliseconds that the server may be unreachable, for example during a restart, before we give up. */
const patience = 120_000;

/**
 * Waits until a job has ended, even across restarts of the server: an accepted job does not depend on us.
 *
 * @param until `ready`: a service only has to become ready
 */
export async function waitForJob(
  client: Client,
  uuid: string,
  io: CliIo,
  until: 'end' | 'ready' = 'end',
): Promise<Json> {
  const line = new WaitLine(io, `job ${uuid}`);
  let awaySince: number | undefined;
  let pause = 200;
  try {
    for (;;) {
      const asked = Date.now();
      try {
        const job = await client.object('GET', `/api/job/${uuid}/`, {
          query: { wait: waitSeconds, until },
          silence: (waitSeconds + 30) * 1000,
        });
        if (hasEnded(job) || (until === 'ready' && isReady(job))) return job;
        awaySince = undefined;
        line.text = `job ${uuid} is ${String(job.state)}`;
        // Normally the server does the waiting. If it answered early, do not ask in a tight loop.
        pause = Date.now() - asked < 1000 ? Math.min(pause * 2, 5000) : 0;
      } catch (error) {
        if (!mayHeal(error)) throw error;
        if (awaySince === undefined) {
          awaySince = Date.now();
          line.clear();
          tell(io, `penstock: ${(error as Error).message} Retrying; the job keeps running.`);
        }
        if (Date.now() - awaySince > patience) throw error;
        pause = Math.min(Math.max(pause, 100) * 2, 5000);
      }
      await sleep(pause);
    }
  } finally {
    line.stop();
  }
}

/** Whether a retry makes sense: the server is unreachable, stopping or overloaded. */
export function mayHeal(error: unknown): boolean {
  return (
    error instanceof ConnectionError ||
    (error instanceof ServerError && [429, 502, 503, 504].includes(error.status))
  );
}
