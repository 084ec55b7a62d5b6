import type { Config } from '../config/config.js';
import { openPipelineJobs } from '../dialects/pipeline-jobs/open.js';
import { openPipelineScheduler } from '../dialects/pipeline-scheduler/open.js';
import { nodeAccount } from '../dialects/processing-node/node-account.js';
import * as nodeFolders from '../dialects/processing-node/node-folders.js';
import { nodeSettings } from '../dialects/processing-node/node-settings.js';
import { openProcessingNode } from '../dialects/processing-node/open.js';
import { clearArchive } from '../drivers/files/archive.js';
import { accountOf, switchTo } from '../drivers/processes/accounts.js';
import { openStreams } from '../drivers/streams/open.js';
import { openFollowers } from '../http/followers.js';
import { authenticate, authenticatePeople } from '../http/guards/auth.js';
import { openMetrics } from '../http/metrics.js';
import { definitionTestRoutes } from '../http/routes/definition-test-routes.js';
import { followJobs } from '../http/routes/follow-jobs.js';
import { jobBytesRoutes } from '../http/routes/job-bytes-routes.js';
import { jobOutputRoutes } from '../http/routes/job-output-routes.js';
import { jobRoutes, waitForJob } from '../http/routes/job-routes.js';
import { jobTokenRoutes } from '../http/routes/job-token-routes.js';
import { operationRoutes } from '../http/routes/operation-routes.js';
import { definitionRunRoutes, pipelineRunRoutes } from '../http/routes/run-routes.js';
import { streamRoutes } from '../http/routes/stream-routes.js';
import { deliveryRoutes, subscriptionRoutes } from '../http/routes/subscription-routes.js';
import { buildApplication, listen, type Noun } from '../http/server.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { openDataFolder } from '../store/folder/data-folder.js';
import { streamsFile } from '../store/folder/job-files.js';
import { keyFile, webhookKeyFile } from '../store/folder/key-file.js';
import { definitionTestService } from '../usecases/definitions/definition-tests.js';
import { cancelService } from '../usecases/jobs/cancel.js';
import { followJobsService } from '../usecases/jobs/follow-jobs.js';
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
import { announceAdmin } from './announce.js';
import { openHouse } from './house.js';
import { openRunning } from './running.js';

export interface App {
  url: string;
  /** The API page of the processing node. */
  nodeUrl: string;
  /** Reloads what PUT /config reloads. Returns the keys that need a restart. Throws if the files are invalid. */
  reload(): string[];
  /** Stops accepting jobs, answers open requests, and leaves running programs to the next start. */
  stop(): Promise<void>;
}

/** Builds every room and opens the doors. The only place that knows all rooms. */
export async function start(config: Config, log: Logger): Promise<App> {
  const { data, database, maxBodySize, maxMessageSize, maxInputSize, maxWait, inputUrl } = config;
  const lock = openDataFolder(data, database);
  const house = await openHouse(config, log);
  const { store, files, jobs, jobResource, definitions, clock } = house;

  // Logins, streams and subscriptions.
  const settings = nodeSettings(config.node, config.nodeWritten);
  const account = nodeAccount(store, settings.current, clock);
  const logins = loginService(store, {
    memory: config.loginMemory,
    clock,
    configured: (username, password) => account.byPassword(username, password),
  });
  const users = userService(store, logins, clock);
  const streams = await openStreamServices({
    ...house,
    drivers: (kept) => openStreams({ ...config.streams, file: streamsFile(data), settings: kept }, log),
    maxStreams: config.maxStreams,
    jobEvents: config.streams.job_events,
  });
  const { dispatcher, subscriptions, deliveries } = await openDeliveries({
    ...house,
    broker: streams.broker,
    key: keyFile(webhookKeyFile(data)),
    settings: config.webhooks,
    streams: config.streams,
  });

  const { cloud, executor, worker, receiver, runs, pipelines, pipelineRuns } = await openRunning(
    house,
    config,
  );
  const operations = openOperations({
    ...house,
    streams,
    receiver,
    runs,
    maxMessageSize,
    stopService: (uuid) => worker.supervisor.end(uuid, 'stop', 'its operation'),
  });
  await worker.recover(store);
  executor.allRecovered();

  // The doors: each protocol and each noun with what it needs.
  let stopping = false;
  const accepting = () => !stopping;
  const authenticateAll = authenticate(logins);
  const door = {
    authenticate: authenticatePeople(authenticateAll),
    maxBodySize,
    maxWait,
    accepting,
    followers: openFollowers(config.followers),
  };
  const manager = openPipelineJobs({
    ...house,
    authenticate: door.authenticate,
    maxBodySize,
    settings: config.pipelineJobs,
    adminTokens: config.adminTokens,
    logins,
    subscriptions,
    clearArchive: (archive) => clearArchive(config.pipelineJobs.archive_systems, archive),
  });
  /** For the protocols that run programs. Each also accepts its own login. */
  const protocol = {
    ...house,
    authenticate: authenticateAll,
    maxBodySize,
    accepting,
    logins,
    receiver,
    runs,
  };
  const machine = { ...nodeFolders, accountOf };
  const node = await openProcessingNode({ ...protocol, settings, account, machine });
  if (config.nodeOnly) {
    await switchTo(settings.current().ptsuser).catch((error: unknown) =>
      log.warn({ error: messageOf(error) }, "the node's scripts cannot be run"),
    );
  }
  const { show } = jobResource;
  const cancel = cancelService({
    jobs,
    here: worker.cancel,
    external: (job, by) => manager.jobEvents.cancel(job, by),
    show,
  });
  const scheduler = openPipelineScheduler({
    ...protocol,
    cancel,
    isActive: worker.isActive,
    applications: cloud.applications,
    cloudFiles: cloud.files,
    reload: cloud.reload,
    clear: cloud.clear,
  });
  const runDoors = { ...door, jobs, files, receiver, show, inputUrl };
  const definitionTests = definitionTestService({ jobs, runs, receiver, files });
  const control = controlService(jobs, worker.supervisor, show);
  const job: Noun = [
    jobResource,
    [
      jobTokenRoutes({ ...door, jobEvents: manager.jobEvents, callback: manager.callback }),
      jobBytesRoutes({ ...door, jobs, files }),
      jobOutputRoutes({
        ...door,
        jobs,
        files,
        definitionOf: (revision) => definitions.definitionOf(revision),
      }),
      jobRoutes({ ...door, jobs, show, cancel, control, pipelineRuns }),
    ],
    {
      list: followJobs({ ...door, service: followJobsService(store, jobs) }),
      detail: waitForJob({ jobs, show, maxWait }),
    },
  ];
  const allNouns: Noun[] = [
    [
      definitions.resource,
      [
        definitionRunRoutes({ ...runDoors, definitions, runs }),
        definitionTestRoutes({ ...door, definitions, testDefinition: definitionTests }),
      ],
    ],
    job,
    [streams.resource, [streamRoutes({ ...door, streams, maxMessageSize, maxInputSize })]],
    [operations.resource, [operationRoutes({ ...door, operations })]],
    [pipelines.resource, [pipelineRunRoutes(pipelineRuns, runDoors)]],
    [cloud.applications.resource],
    [serverService({ store, letGo: cloud.servers.letGo, clock }).resource],
    [cloud.hostKeys.resource],
    [users.resource],
    [tokenService(store, logins, clock).resource],
    [subscriptions.resource, [subscriptionRoutes({ ...door, subscriptions, deliveries })]],
    [deliveries.resource, [deliveryRoutes({ ...door, deliveries })]],
  ];
  /** With --node-only: the node's jobs, and the definitions that they ran. */
  const nodeNouns: Noun[] = [[{ ...definitions.resource, methods: { list: ['GET'], detail: ['GET'] } }], job];

  const room = watchRoom({ data, database, reserve: store.reserve, log, back: worker.look });
  const counts = { services: () => worker.supervisor.counts(), servers: cloud.servers.counts };
  const application = buildApplication({
    log,
    metrics: openMetrics({
      jobs,
      waiting: () => worker.waiting,
      running: () => worker.active,
      counts,
      deliveries: { pending: () => store.deliveries.waiting(), counts: dispatcher.counts },
      streams: streams.channels.totals,
      operations: operations.statuses,
      room: { free: room.free, full: () => store.reserve.spent },
    }),
    trust: config.trust,
    patience: config.patience,
    health: async () => {
      await store.check();
      return {
        jobs_waiting: worker.waiting,
        jobs_running: worker.active,
        services: counts.services(),
        servers: await counts.servers(),
      };
    },
    dialects: config.nodeOnly ? [node] : [manager.dialect, node, scheduler.dialect],
    door,
    nouns: config.nodeOnly ? nodeNouns : allNouns,
    documented: !config.nodeOnly,
  });

  const listener = await listen(application, config);
  if (await users.bootstrap(config.admin)) announceAdmin(config);
  if (!config.nodeOnly) await operations.start();
  listener.open();
  await cloud.open(worker.look);
  worker.open();
  dispatcher.start();
  const stopRetention = startRetention({
    ...house,
    keepFiles: config.keepFiles,
    keepJobs: config.keepJobs,
    keepDeliveries: config.keepDeliveries,
    forget: jobs.forget,
  });

  return {
    url: listener.url,
    nodeUrl: `${listener.url}${node.path}/`,
    reload: cloud.reload,
    async stop() {
      stopping = true;
      worker.close();
      cloud.servers.rest();
      stopRetention();
      door.followers.close();
      await listener.stop();
      await operations.stop();
      await scheduler.close();
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
