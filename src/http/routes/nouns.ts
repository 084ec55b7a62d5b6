import type { FollowJobsService } from '../../usecases/jobs/follow-jobs.js';
import type { PipelineRunService } from '../../usecases/pipelines/pipeline-runs.js';
import type { ResourceService } from '../../usecases/resource.js';
import { type ResourceOptions, resourceRouter } from '../resource.js';
import type { Noun } from '../server.js';
import { type DefinitionTestRouteOptions, definitionTestRouter } from './definition-test-routes.js';
import { followJobsRouter } from './follow-jobs.js';
import { type JobRouteOptions, jobRouter } from './job-routes.js';
import { type JobTokenRouteOptions, jobTokenRouter } from './job-token-routes.js';
import { type OperationRouteOptions, operationRouter } from './operation-routes.js';
import { type RunRouteOptions, runDoor, runRouter } from './run-routes.js';
import { type StreamRouteOptions, streamRouter } from './stream-routes.js';
import { deliveryRouter, type SubscriptionRouteOptions, subscriptionRouter } from './subscription-routes.js';

/** A noun that has nothing beyond what every resource has. */
interface Plain {
  resource: ResourceService;
}

/** What the nouns of the API are made of. */
interface NounOptions
  extends ResourceOptions,
    RunRouteOptions,
    DefinitionTestRouteOptions,
    JobRouteOptions,
    JobTokenRouteOptions,
    SubscriptionRouteOptions,
    StreamRouteOptions,
    OperationRouteOptions {
  jobResource: ResourceService;
  followJobs: FollowJobsService;
  pipelines: Plain;
  streams: Plain & StreamRouteOptions['streams'];
  pipelineRuns: PipelineRunService;
  users: Plain;
  tokens: Plain;
  applications: Plain;
  servers: Plain;
  hostKeys: Plain;
}

/** Everything under /api/: each noun with its generic resource, and what it has beyond that. */
export function allNouns(options: NounOptions): Noun[] {
  const { definitions, pipelines, streams, operations, users, tokens, subscriptions, deliveries } = options;
  const plain = (service: ResourceService) => resourceRouter(service, options);
  return [
    {
      service: definitions.resource,
      routers: [runRouter(options), definitionTestRouter(options), plain(definitions.resource)],
    },
    jobNoun(options),
    { service: streams.resource, routers: [streamRouter(options), plain(streams.resource)] },
    { service: operations.resource, routers: [operationRouter(options), plain(operations.resource)] },
    {
      service: pipelines.resource,
      routers: [runDoor(options.pipelineRuns, options), plain(pipelines.resource)],
    },
    { service: options.applications.resource, routers: [plain(options.applications.resource)] },
    { service: options.servers.resource, routers: [plain(options.servers.resource)] },
    { service: options.hostKeys.resource, routers: [plain(options.hostKeys.resource)] },
    { service: users.resource, routers: [plain(users.resource)] },
    { service: tokens.resource, routers: [plain(tokens.resource)] },
    {
      service: subscriptions.resource,
      routers: [subscriptionRouter(options), plain(subscriptions.resource)],
    },
    { service: deliveries.resource, routers: [deliveryRouter(options), plain(deliveries.resource)] },
  ];
}

const readOnly = { list: ['GET'], detail: ['GET'] } as const;

/** Where nothing but the processing node is served: its jobs, and what they ran. */
export function nodeNouns(options: NounOptions): Noun[] {
  const definitions = { ...options.definitions.resource, methods: readOnly };
  return [{ service: definitions, routers: [resourceRouter(definitions, options)] }, jobNoun(options)];
}

function jobNoun(options: NounOptions): Noun {
  const { jobResource: service, authenticate, followJobs, followers } = options;
  const routers = [
    jobTokenRouter(options),
    followJobsRouter({ authenticate, service: followJobs, followers }),
    jobRouter(options),
    resourceRouter(service, options),
  ];
  return { service, routers };
}
