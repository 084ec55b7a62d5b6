import { existsSync } from 'node:fs';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { Handle } from '../../drivers/executors/executor.js';
import { clearUp } from '../attempt/adapt.js';
import { newRun, persist, type RunContext } from '../attempt/run.js';
import type { Supervisor } from './supervise.js';

/**
 * A service as it was when we ended: its program may go on, may have ended, or was perhaps just being started; or it
 * waited for its next start, and goes on waiting.
 *
 * @returns true if there is a start to go on with
 */
export async function recoverService(
  context: RunContext,
  supervisor: Supervisor,
  job: Job,
  definition: ProcessDefinition,
): Promise<boolean> {
  const { files, executor } = context;
  // A start is stored with its handle, and its end takes that away.
  const attempt = job.handle === null ? job.attempt + 1 : job.attempt;
  const folder = files.attempt(job.uuid, attempt);
  if (job.handle === null && !existsSync(folder)) {
    supervisor.keep(job, definition);
    return false;
  }
  const handle = await executor.recover(job.uuid, folder, job.handle as Handle | null);
  if (handle !== 'never-started') {
    supervisor.keep(job, definition, { handle, attempt });
    return true;
  }
  // Nobody will ever start that attempt: the next one has the next number, in a folder of its own.
  await clearUp(context, newRun(context.files, { job: { ...job, attempt }, definition }));
  const burnt = { attempt, never_started: true };
  supervisor.keep(await persist(context, job, 'resource', { attempt, handle: null }, burnt), definition);
  return false;
}
