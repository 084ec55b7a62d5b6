import type { Answer, Client } from './http.js';
import { waitFor } from './wait-for.js';

/** The fields of a job that the benchmark reads. */
export interface Job {
  state: string;
  resource_uri: string;
}

const unfinished = new Set(['CREATED', 'RUNNING', 'RESET']);

/** The path of the job in a 202 or 201. */
export function jobPath(answer: Answer): string {
  if (answer.status !== 202 || !answer.headers.location) {
    throw new Error(`Submitting a job: ${answer.status} ${answer.body.toString().slice(0, 500)}`);
  }
  return new URL(answer.headers.location, 'http://localhost').pathname;
}

/** Waits until a job has ended, and returns it. */
export async function ended(client: Client, path: string, interval = 5, deadline = 600_000): Promise<Job> {
  return waitFor(
    `the end of ${path}`,
    async () => {
      const job = await client.json<Job>(path);
      return unfinished.has(job.state) ? undefined : job;
    },
    deadline,
    interval,
  );
}
