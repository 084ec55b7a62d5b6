import { randomBytes } from 'node:crypto';
import type { Config } from '../config/config.js';
import { typedUuids, typePrefixes } from '../domain/external-jobs/typed-uuid.js';
import type { Logger } from '../lib/log.js';
import { JobFiles } from '../store/folder/job-files.js';
import { openStore } from '../store/store.js';
import { definitionService } from '../usecases/definitions/process-definitions.js';
import { jobResource } from '../usecases/jobs/job-resource.js';
import { jobService } from '../usecases/jobs/jobs.js';

/** What most rooms need: the database, the data folder, and the two nouns that all others build on. */
export async function openHouse({ data, database, pipelineJobs }: Config, log: Logger) {
  const clock = () => new Date();
  const store = await openStore(database);
  if (store.migrations.length > 0) log.info({ migrations: store.migrations }, 'database migrated');
  const instance = await store.setting('instance', () => randomBytes(8).toString('hex'));
  const uuids = typedUuids(pipelineJobs.dns_domain, {
    ...typePrefixes,
    pipeline: pipelineJobs.uuid_prefix_pipeline,
    job: pipelineJobs.uuid_prefix_pipelinejob,
    job_event: pipelineJobs.uuid_prefix_pipelinejob_event,
  });
  const files = new JobFiles(data);
  const jobs = jobService(store, uuids, clock);
  await jobs.start();
  return {
    store,
    files,
    jobs,
    jobResource: jobResource(store, jobs, files),
    definitions: definitionService(store, clock),
    instance,
    uuids,
    log,
    clock,
  };
}

export type House = Awaited<ReturnType<typeof openHouse>>;
