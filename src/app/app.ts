import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { Config } from '../config/config.js';
import { openPipelineJobs } from '../dialects/pipeline-jobs/open.js';
import { openPipelineScheduler } from '../dialects/pipeline-scheduler/open.js';
import { nodeAccount } from '../dialects/processing-node/node-account.js';
import * as nodeFolders from '../dialects/processing-node/node-folders.js';
import { nodeSettings } from '../dialects/processing-node/node-settings.js';
import { openProcessingNode } from '../dialects/processing-node/open.js';
import { typedUuids, typePrefixes } from '../domain/external-jobs/typed-uuid.js';
import { adapters } from '../drivers/adapters/adapters.js';
import { localExecutor } from '../drivers/executors/local.js';
import { clearArchive } from '../drivers/files/archive.js';
import { accountOf, switchTo } from '../drivers/processes/accounts.js';
import { openControlGroups } from '../drivers/processes/cgroups/cgroup.js';
import { RunnerPool } from '../drivers/processes/runner-pool.js';
import { openStreams } from '../drivers/streams/open.js';
import { openFollowers } from '../http/followers.js';
import { authenticate, authenticatePeople } from '../http/guards/auth.js';
import { openMetrics } from '../http/metrics.js';
import { definitionTestRouter } from '../http/routes/definition-test-routes.js';
import { followJobsRouter } from '../http/routes/follow-jobs.js';
import { jobRouter } from '../http/routes/job-routes.js';
import { jobTokenRouter } from '../http/routes/job-token-routes.js';
import { operationRouter } from '../http/routes/operation-routes.js';
import { runDoor, runRouter } from '../http/routes/run-routes.js';
import { streamRouter } from '../http/routes/stream-routes.js';
import { deliveryRouter, subscriptionRouter } from '../http/routes/subscription-routes.js';
import { buildApplication, listen, type Noun } from '../http/server.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { openDataFolder } from '../store/folder/data-folder.js';
import { JobFiles, streamsFile } from '../store/folder/job-files.js';
import { keyFile, webhookKeyFile } from '../store/folder/key-file.js';
import { openStore } from '../store/store.js';
import { definitionTestService } from '../usecases/definitions/definition-tests.js';
import { definitionService } from '../usecases/definitions/process-definitions.js';
import { cancelService } from '../usecases/jobs/cancel.js';
import { followJobsService } from '../usecases/jobs/follow-jobs.js';
import { jobResource } from '../usecases/jobs/job-resource.js';
import { jobService } from '../usecases/jobs/jobs.js';
import { pipelineRunService } from '../usecases/pipelines/pipeline-runs.js';
import { pipelineService } from '../usecases/pipelines/pipelines.js';
import { idempotency } from '../usecases/runs/idempotency.js';
import { receiver as openReceiver } from '../usecases/runs/receive.js';
import { runService } from '../usecases/runs/runs.js';
import { serverService } from '../usecases/servers/servers.js';
import { controlService } from '../usecases/services/service-control.js';
import { openStreamServices } from '../usecases/streams/open-streams.js';
import { loginService } from '../usecases/users/logins.js';
import { tokenService } from '../usecases/users/tokens.js';
import { userService } from '../usecases/users/users.js';
import { openDeliveries } from '../worker/deliveries/open-deliveries.js';
import { openOperations } from '../worker/operations/open-operations.js';
import { startRetention } from '../worker/retention.js';
import { watchRoom } from '../worker/room.js';
import { outOfReachTeller } from '../worker/tell-out-of-reach.js';
import { openWorker } from '../worker/worker.js';
import { announceAdmin } from './announce.js';
import { openCloud } from './cloud.js';

export interface App {
  url: string;
  /** The API page of the processing node. */
  nodeUrl: string;
  /** Reads again what PUT /config does; gives the keys that need a restart. Throws if the files are not right. */
  reload(): string[];
  /** Stops taking jobs, answers what is being asked, and leaves running programs to the next start. */
  stop(): Promise<void>;
}

/** Builds every room and opens the doors: the only place that knows them all. */
export async function start(config: Readonly<Config>, log: Logger): Promise<App> {
  const lock = openDataFolder(config.data, config.database);
  const clock = () => new Date();

  const store = await openStore(config.database);
  if (store.migrations.length > 0) log.info({ migrations: store.migrations }, 'database migrated');
  const instance = await store.setting('instance', () => randomBytes(8).toString('hex'));
  const files = new JobFiles(config.data);

  const { pipelineJobs } = config;
  const uuids = typedUuids(pipelineJobs.dns_domain, {
    ...typePrefixes,
    pipeline: pipelineJobs.uuid_prefix_pipeline,
    job: pipelineJobs.uuid_prefix_pipelinejob,
    job_event: pipelineJobs.uuid_prefix_pipelinejob_event,
  });

  const settings = nodeSettings(config.node, config.nodeWritten);
  const account = nodeAccount(store, settings.current, clock);
  const logins = loginService(store, {
    memory: config.loginMemory,
    clock,
    configured: (username, password) => account.byPassword(username, password),
  });
  const users = userService(store, logins, clock);
  const tokens = tokenService(store, logins, clock);
  const definitions = definitionService(store, clock);
  const jobs = jobService(store, uuids, clock);
  await jobs.start();
  /** What most rooms need. */
  const house = { store, files, jobs, definitions, log, clock };

  const streams = await openStreamServices({
    store,
    instance,
    drivers: (settings) => openStreams({ ...config.streams, file: streamsFile(config.data), settings }, log),
    maxStreams: config.maxStreams,
    jobEvents: config.streams.job_events,
    clock,
  });

  const { dispatcher, subscriptions, deliveries } = await openDeliveries({
    ...house,
    broker: streams.broker,
    key: keyFile(webhookKeyFile(config.data)),
    settings: config.webhooks,
    streams: config.streams,
  });

  const cloud = openCloud({ ...house, instance, config, trouble: outOfReachTeller(house) });
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
    uuids,
    services: config.maxServices,
    servicesPerUser: config.maxServicesPerUser,
  });
  const receiver = openReceiver(files, config.maxInputSize);
  const running = { ...house, receiver, once: idempotency(store), ...cloud.where };
  const runs = runService({
    ...running,
    worker,
    limits: { queued: config.maxQueuedJobs, queuedPerUser: config.maxQueuedJobsPerUser },
    defaultTimeout: config.defaultTimeout,
  });
  const operations = openOperations({
    ...house,
    streams,
    receiver,
    runs,
    instance,
    maxMessageSize: config.maxMessageSize,
    stopService: (uuid) => worker.supervisor.end(uuid, 'stop', 'its operation'),
  });
  const resource = jobResource(store, jobs, files);
  const pipelines = pipelineService(store, uuids, definitions, clock);
  await worker.recover(store);
  executor.allRecovered();

  let accepting = true;
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // one for each live stream
  const authenticateAll = authenticate(logins);
  const door = {
    authenticate: authenticatePeople(authenticateAll),
    maxBodySize: config.maxBodySize,
    maxWait: config.maxWait,
    accepting: () => accepting,
    followers: openFollowers(config.followers, stopping.signal),
  };
  const manager = openPipelineJobs({
    ...door,
    ...house,
    settings: pipelineJobs,
    adminTokens: config.adminTokens,
    logins,
    uuids,
    subscriptions,
    clearArchive: (archive) => clearArchive(pipelineJobs.archive_systems, archive),
  });
  const node = await openProcessingNode({
    ...door,
    ...house,
    authenticate: authenticateAll,
    settings,
    account,
    logins,
    machine: { ...nodeFolders, accountOf },
    runs,
    receiver,
  });
  if (config.nodeOnly) {
    await switchTo(settings.current().ptsuser).catch((error: unknown) =>
      log.warn({ error: messageOf(error) }, "the node's scripts cannot be run"),
    );
  }
  const cancel = cancelService({
    jobs,
    here: worker.cancel,
    external: (job, by) => manager.jobEvents.cancel(job, by),
    show: resource.show,
  });
  const tasks = openPipelineScheduler({
    ...door,
    ...house,
    ...cloud.door,
    authenticate: authenticateAll,
    logins,
    runs,
    receiver,
    cancel,
    isActive: worker.isActive,
  });
  const room = watchRoom({ ...config, reserve: store.reserve, log, back: worker.look });
  const metrics = openMetrics({
    jobs,
    waiting: () => worker.waiting,
    running: () => worker.active,
    counts: { services: () => worker.supervisor.counts(), servers: cloud.servers.counts },
    deliveries: { pending: () => store.deliveries.waiting(), counts: dispatcher.counts },
    streams: streams.channels.totals,
    operations: operations.statuses,
    room: { free: room.free, full: () => store.reserve.spent },
  });
  const runDoors = { ...door, jobs, files, receiver, show: resource.show, inputUrl: config.inputUrl };
  const pipelineRuns = pipelineRunService({ ...running, pipelines, runs, worker: worker.pipelines });
  const job: Noun = [
    resource,
    jobTokenRouter({ ...door, jobEvents: manager.jobEvents, callback: manager.callback }),
    followJobsRouter({ ...door, service: followJobsService(store, jobs) }),
    jobRouter({
      ...door,
      jobs,
      files,
      show: resource.show,
      cancel,
      control: controlService(jobs, worker.supervisor, resource.show),
      pipelineRuns,
    }),
  ];
  const readOnly = { list: ['GET'], detail: ['GET'] } as const;
  const nouns: Noun[] = config.nodeOnly
    ? [[{ ...definitions.resource, methods: readOnly }], job]
    : [
        [
          definitions.resource,
          runRouter({ ...runDoors, definitions, runs }),
          definitionTestRouter({
            ...door,
            definitions,
            testDefinition: definitionTestService({ jobs, runs, receiver, files }),
          }),
        ],
        job,
        [
          streams.resource,
          streamRouter({
            ...door,
            streams,
            maxMessageSize: config.maxMessageSize,
            maxInputSize: config.maxInputSize,
          }),
        ],
        [operations.resource, operationRouter({ ...door, operations })],
        [pipelines.resource, runDoor(pipelineRuns, runDoors)],
        [cloud.nouns.applications.resource],
        [serverService({ store, letGo: cloud.servers.letGo, clock }).resource],
        [cloud.nouns.hostKeys.resource],
        [users.resource],
        [tokens.resource],
        [subscriptions.resource, subscriptionRouter({ ...door, subscriptions, deliveries })],
        [deliveries.resource, deliveryRouter({ ...door, deliveries })],
      ];
  const application = buildApplication({
    log,
    metrics,
    trust: config.trust,
    patience: config.patience,
    health: async () => {
      await store.check();
      return {
        jobs_waiting: worker.waiting,
        jobs_running: worker.active,
        services: worker.supervisor.counts(),
        servers: await cloud.servers.counts(),
      };
    },
    dialects: config.nodeOnly ? [node] : [manager.dialect, node, tasks.dialect],
    door,
    nouns,
    documented: !config.nodeOnly,
  });

  const listener = await listen(application, config);
  if (await users.bootstrap(config.admin)) announceAdmin(config);
  if (!config.nodeOnly) await operations.start();
  listener.open();
  await cloud.open(worker.look);
  worker.open();
  dispatcher.start();
  const stopRetention = startRetention({ ...config, ...house, forget: jobs.forget });

  return {
    url: listener.url,
    nodeUrl: `${listener.url}${node.path}/`,
    reload: cloud.door.reload,
    async stop() {
      accepting = false;
      worker.close();
      cloud.servers.rest();
      stopRetention();
      stopping.abort();
      await listener.stop();
      await operations.stop();
      await tasks.close();
      await cloud.close();
      await executor.close();
      await manager.nonces.close();
      await dispatcher.stop();
      await streams.close();
      await room.stop();
      await store.close();
      lock.release();
    },
  };
}
