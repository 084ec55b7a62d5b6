import { setTimeout as delay } from 'node:timers/promises';
import { pipelineExecutor } from '../domain/jobs/job.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { JobFiles } from '../store/folder/job-files.js';
import type { Store } from '../store/store.js';

interface RetentionOptions {
  store: Store;
  files: JobFiles;
  log: Logger;
  /** Milliseconds after a job's end; null keeps them forever. */
  keepFiles: number | null;
  keepJobs: number | null;
  keepDeliveries: number | null;
  /** Called for each job that was deleted. */
  forget?: (job: { id: number; uuid: string }) => void;
}

/** Small, so that a batch never holds up what users write. */
const batch = 100;
const idempotencyKeysKept = 24 * 60 * 60 * 1000;

/**
 * Deletes what is too old: first a job's files, later the job itself. It works in small batches with pauses, so that a
 * million old jobs do not block the server.
 *
 * @returns how many jobs lost their files, how many were deleted, and how many deliveries were deleted
 */
export async function clearAway(
  { store, files, log, keepFiles, keepJobs, keepDeliveries, forget = () => {} }: RetentionOptions,
  now: Date,
  signal: AbortSignal,
): Promise<{ cleared: number; deleted: number; forgotten: number }> {
  const done = { cleared: 0, deleted: 0, forgotten: 0 };
  const before = (age: number) => new Date(now.getTime() - age);
  /** A folder that cannot be removed is left for the next time, and does not hold up the others. */
  const removeFiles = async (old: readonly { id: number; uuid: string }[]) => {
    const removed: number[] = [];
    for (const { id, uuid } of old) {
      try {
        await files.remove(uuid);
        removed.push(id);
      } catch (error) {
        log.warn({ job: uuid, error: messageOf(error) }, 'cannot remove the files of a job');
      }
    }
    return removed;
  };
  /** Does something to the jobs of a pipeline's steps, a few at a time, before the pipeline's own job. */
  const withSteps = async (
    old: readonly { id: number; executor: string }[],
    act: (steps: readonly { id: number; uuid: string }[]) => Promise<void>,
  ) => {
    for (const { id } of old.filter(({ executor }) => executor === pipelineExecutor)) {
      for (let after = 0; !signal.aborted; ) {
        const steps = await store.stepJobs.of(id, after, batch);
        if (steps.length === 0) break;
        after = steps.at(-1)?.id ?? after;
        await act(steps);
        await delay(20);
      }
    }
  };
  while (keepFiles !== null && !signal.aborted) {
    const old = await store.jobs.endedBefore(before(keepFiles), { cleared: false, take: batch });
    if (old.length === 0) break;
    await withSteps(old, async (steps) => {
      const cleared = await removeFiles(steps);
      await store.jobs.markCleared(cleared, now);
      done.cleared += cleared.length;
    });
    const removed = await removeFiles(old);
    if (removed.length === 0) break;
    await store.jobs.markCleared(removed, now);
    done.cleared += removed.length;
    await delay(20);
  }
  // The history of an ended job is deleted with it; that of a running service would grow without end.
  while (keepFiles !== null && !signal.aborted) {
    if ((await store.jobEvents.forgetOfServices(before(keepFiles), batch)) === 0) break;
    await delay(20);
  }
  while (keepJobs !== null && !signal.aborted) {
    const old = await store.jobs.endedBefore(before(keepJobs), { cleared: true, take: batch });
    if (old.length === 0) break;
    await withSteps(old, async (steps) => {
      await removeFiles(steps);
      await store.jobs.remove(steps.map(({ id }) => id));
      for (const step of steps) forget(step);
      done.deleted += steps.length;
    });
    const removed = await removeFiles(old);
    if (removed.length === 0) break;
    await store.jobs.remove(removed);
    for (const job of old) if (removed.includes(job.id)) forget(job);
    done.deleted += removed.length;
    await delay(20);
  }
  while (keepJobs !== null && !signal.aborted) {
    if ((await store.servers.forget(before(keepJobs), batch)) === 0) break;
    await delay(20);
  }
  for (const state of ['delivered', 'dead'] as const) {
    let after: number | null = 0;
    while (keepDeliveries !== null && after !== null && !signal.aborted) {
      const { removed, next } = await store.deliveries.removeBefore(
        before(keepDeliveries),
        state,
        after,
        batch,
      );
      done.forgotten += removed;
      after = next;
      await delay(20);
    }
  }
  await store.jobs.forgetIdempotencyKeys(before(idempotencyKeysKept));
  return done;
}

/** Runs `clearAway` periodically. Returns the function that ends it. */
export function startRetention(options: RetentionOptions, interval = 60 * 60 * 1000): () => void {
  const stop = new AbortController();
  void (async () => {
    while (!stop.signal.aborted) {
      try {
        const done = await clearAway(options, new Date(), stop.signal);
        if (done.cleared + done.deleted + done.forgotten > 0)
          options.log.info(done, 'old jobs and files removed');
      } catch (error) {
        options.log.warn({ error: messageOf(error) }, 'cannot remove old jobs and files; retrying');
      }
      await delay(interval, undefined, { signal: stop.signal, ref: false }).catch(() => {});
    }
  })();
  return () => stop.abort();
}
