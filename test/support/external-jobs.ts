import path from 'node:path';
import Database from 'better-sqlite3';
import { typedUuids } from '../../src/domain/external-jobs/typed-uuid.js';
import { externalExecutor, type Job, type JobLinks, newJob } from '../../src/domain/jobs/job.js';
import { openStore } from '../../src/store/store.js';
import { jobService } from '../../src/usecases/jobs/jobs.js';
import type { TestServer } from './server.js';

/** What a test says of a job that runs elsewhere. */
interface ExternalJob {
  owner?: string;
  session?: string;
  archivePath?: string;
  data?: unknown;
  links?: JobLinks;
  hidden?: boolean;
}

/**
 * Stores a pipeline and jobs of it that run elsewhere, straight into the database, while the server is stopped.
 *
 * @returns the pipeline's id and the jobs, in order
 */
export async function addExternalJobs(
  server: TestServer,
  jobs: readonly ExternalJob[],
): Promise<{ pipeline: number; jobs: Job[] }> {
  const file = path.join(server.data, 'penstock.sqlite');
  await server.stop();
  const database = new Database(file);
  const ownerOf = (name: string) => {
    const row = database.prepare('SELECT "id" FROM "user" WHERE "username" = ?').get(name);
    return (row as { id: number }).id;
  };
  const { lastInsertRowid } = database
    .prepare(
      `INSERT INTO "pipeline" ("uuid", "owner_id", "name", "type", "document", "created", "updated")
       VALUES (?, ?, 'remote', 'external', '{}', '2026-01-01T00:00:00.000+00:00', '2026-01-01T00:00:00.000+00:00')`,
    )
    .run(crypto.randomUUID(), ownerOf(server.admin.username));
  const pipeline = Number(lastInsertRowid);
  const owners = jobs.map(({ owner }) => ownerOf(owner ?? server.admin.username));

  const store = await openStore(file);
  const service = jobService(store, typedUuids(), () => new Date());
  await service.start();
  const made: Job[] = [];
  for (const [index, job] of jobs.entries()) {
    made.push(
      await service.create(
        {
          ...newJob(service.newUuid(), owners[index] ?? 0, externalExecutor),
          pipelineId: pipeline,
          session: job.session ?? null,
          archiveSystem: 'data-sd2e-community',
          archivePath: job.archivePath ?? null,
          data: job.data ?? {},
          links: job.links ?? null,
        },
        null,
      ),
    );
  }
  await store.close();
  // That a job is hidden is no column of a new one: it becomes so later.
  for (const [index, { hidden }] of jobs.entries()) {
    if (hidden) database.prepare('UPDATE "job" SET "hidden" = 1 WHERE "id" = ?').run(made[index]?.id);
  }
  database.close();
  await server.restart();
  return { pipeline, jobs: made };
}
