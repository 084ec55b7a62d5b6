import { existsSync } from 'node:fs';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { Handle } from '../../drivers/executors/executor.js';
import { clearUp } from '../attempt/adapt.js';
import { newRun, persist, type RunContext } from '../attempt/run.js';
import type { Supervisor } from './supervise.js';

/**
 * Recovers a service after a restart of Penstock: its program may be running, may have ended, or may just have been
 * starting; or the service was waiting for its next start, and goes on waiting.
 *
 * @returns true if there is a start to continue with
 */
export async function recoverService(
  context: RunContext,
  supervisor: Supervisor,
  job: Job,
  definition: ProcessDefinition,
): Promise<boolean> {
  const { files, executor } = context;
  // A start is stored with its handle, and its end removes the handle.
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
  // That attempt will never be started: the next one gets the next number and a folder of its own.
  await clearUp(context, newRun(context.files, { job: { ...job, attempt }, definition }));
  const burnt = { attempt, never_started: true };
  supervisor.keep(await persist(context, job, 'resource', { attempt, handle: null }, burnt), definition);
  return false;
}
