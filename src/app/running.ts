import type { Config } from '../config/config.js';
import { adapters } from '../drivers/adapters/adapters.js';
import { localExecutor } from '../drivers/executors/local.js';
import { openControlGroups } from '../drivers/processes/cgroups/cgroup.js';
import { RunnerPool } from '../drivers/processes/runner-pool.js';
import { pipelineRunService } from '../usecases/pipelines/pipeline-runs.js';
import { pipelineService } from '../usecases/pipelines/pipelines.js';
import { idempotency } from '../usecases/runs/idempotency.js';
import { receiver as openReceiver } from '../usecases/runs/receive.js';
import { runService } from '../usecases/runs/runs.js';
import { outOfReachTeller } from '../worker/tell-out-of-reach.js';
import { openWorker } from '../worker/worker.js';
import { openCloud } from './cloud.js';
import type { House } from './house.js';

/** Everything that runs programs, here and on other machines, and everything that starts runs. */
export async function openRunning(house: House, config: Config) {
  const { store, files, definitions, instance, uuids, clock } = house;
  const cloud = openCloud(house, config, outOfReachTeller(house));
  await cloud.load();
  const executor = localExecutor({
    instance,
    pool: new RunnerPool(Math.max(8, Math.min(config.maxRunningJobs, 64))),
    groups: openControlGroups(`penstock-${instance}`),
  });
  const worker = openWorker({
    ...house,
    adapters,
    executor,
    defaultTimeout: config.defaultTimeout,
    mayStart: () => !store.reserve.spent,
    limits: () => ({ running: config.maxRunningJobs, runningPerUser: config.maxRunningJobsPerUser }),
    platformRetries: () => config.maxPlatformRetries,
    lane: cloud.lane,
    definitionOf: (revisionId) => definitions.definitionOf(revisionId),
    jobOf: (uuid) => store.jobs.byUuid(uuid),
    services: config.maxServices,
    servicesPerUser: config.maxServicesPerUser,
  });
  const receiver = openReceiver(files, config.maxInputSize);
  const submitting = { ...house, receiver, once: idempotency(store), where: cloud.where };
  const runs = runService({
    ...submitting,
    worker,
    limits: { queued: config.maxQueuedJobs, queuedPerUser: config.maxQueuedJobsPerUser },
    defaultTimeout: config.defaultTimeout,
  });
  const pipelines = pipelineService(store, uuids, definitions, clock);
  const pipelineRuns = pipelineRunService({ ...submitting, pipelines, runs, worker: worker.pipelines });
  return { cloud, executor, worker, receiver, runs, pipelines, pipelineRuns };
}
