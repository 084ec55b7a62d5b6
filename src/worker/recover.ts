import { existsSync } from 'node:fs';
import type { ProcessDefinition } from '../domain/definitions/process-definition.js';
import type { Job } from '../domain/jobs/job.js';
import type { Handle } from '../drivers/executors/executor.js';
import { thisMoment } from '../drivers/processes/boot-clock.js';
import type { QueuedRow } from '../store/jobs.js';
import type { Store } from '../store/store.js';
import { clearUp } from './attempt/adapt.js';
import { newRun, persist } from './attempt/run.js';
import { type LaneOptions, waitingOf } from './lane.js';
import { type Lanes, laneOf } from './lanes.js';
import { recoverService } from './services/recover-service.js';
import type { Supervisor } from './services/supervise.js';

const pieces = 1000;

/**
 * At startup: half-received inputs are accepted or dropped, waiting jobs queue again, and running programs are found.
 * Nothing is started before the worker is opened, so that everything is known first.
 *
 * @returns how many jobs wait, and how many were found running or ended
 */
export async function recover(
  store: Store,
  lanes: Lanes,
  supervisor: Supervisor,
  options: LaneOptions,
): Promise<{ waiting: number; running: number }> {
  const { files } = options;
  for (const uuid of await files.received()) {
    if ((await store.jobs.byUuid(uuid)) === null) await files.reject(uuid);
    else files.accept(uuid);
  }
  await files.tidy();
  const found = { waiting: 0, running: 0 };
  for (let after = 0; ; ) {
    const rows = await store.jobs.unfinished(after, pieces);
    for (const row of rows) {
      if (await takeUp(row, store, lanes, supervisor, options)) found.running += 1;
      else found.waiting += 1;
    }
    const last = rows.at(-1);
    if (last === undefined) return found;
    after = last.id;
  }
}

/** @returns true if the job's program had been started and is watched again */
async function takeUp(
  row: QueuedRow,
  store: Store,
  lanes: Lanes,
  supervisor: Supervisor,
  options: LaneOptions,
): Promise<boolean> {
  const { files } = options;
  // A job that runs again in a resumed pipeline waits for the pipeline.
  if (row.parentId !== null && row.state === 'RESET' && row.notBefore === null) return false;
  const definition =
    row.definitionRevisionId === null ? null : await options.definitionOf(row.definitionRevisionId);
  if (definition === null) return false;
  if (definition.service !== null) {
    const job = await store.jobs.byUuid(row.uuid);
    // A job older than services ends like any other.
    if (job !== null && job.service !== null) return recoverService(options, supervisor, job, definition);
  }
  const waiting = waitingOf(row, definition);
  const lane = lanes.of(laneOf(row, definition));
  const { executor, places } = lane.options;
  // A waiting job may have been starting when Penstock was stopped: then its next attempt already has a folder.
  const attempt = row.state === 'RUNNING' ? row.attempt : row.attempt + 1;
  if (row.state !== 'CREATED' || existsSync(files.attempt(row.uuid, attempt))) {
    let job = await store.jobs.byUuid(row.uuid);
    if (job === null) return false;
    if (job.state === 'RESET') job = await persist(options, job, 'ready', {});
    const place = (await places?.found(job, attempt)) ?? null;
    const handle = await executor.recover(
      job.uuid,
      files.attempt(job.uuid, attempt),
      job.handle as Handle | null,
    );
    if (handle !== 'never-started') {
      const run = newRun(files, { job: { ...job, attempt }, definition, handle, place });
      if (job.state === 'CREATED') {
        handle.began ??= thisMoment();
        run.job = await persist(
          options,
          run.job,
          'run',
          { handle, attempt, started: new Date(), waiting: null },
          { attempt, found_after_restart: true },
        );
      }
      lane.resume(waiting, run);
      return true;
    }
    if (place !== null) await places?.give(job, attempt, null);
    await burn(options, job, attempt, definition);
  }
  // The job of a step queues when its pipeline says so.
  if (row.parentId === null) lane.enqueue(waiting, row.notBefore);
  return false;
}

/** That attempt will never be started: the next one gets the next number and a folder of its own. */
async function burn(
  options: LaneOptions,
  job: Job,
  attempt: number,
  definition: ProcessDefinition,
): Promise<void> {
  if (job.state !== 'RUNNING' && !existsSync(options.files.attempt(job.uuid, attempt))) return;
  await clearUp(options, newRun(options.files, { job: { ...job, attempt }, definition }));
  const event = job.state === 'RUNNING' ? 'run' : 'resource';
  await persist(options, job, event, { attempt, handle: null }, { attempt, never_started: true });
}
