import type { RequestHandler } from 'express';
import type { AdminTokenSettings } from '../../domain/external-jobs/admin-token.js';
import type { Cleared } from '../../domain/external-jobs/archive-path.js';
import type { TypedUuids } from '../../domain/external-jobs/typed-uuid.js';
import type { Store } from '../../store/store.js';
import { externalJobService } from '../../usecases/external-jobs/external-jobs.js';
import { jobEventService } from '../../usecases/external-jobs/job-events.js';
import { nonceService } from '../../usecases/external-jobs/nonces.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { SubscriptionService } from '../../usecases/subscriptions/subscriptions.js';
import type { LoginService } from '../../usecases/users/logins.js';
import { nonceRoutes } from './nonce-routes.js';
import { asManager, messageRoutes } from './routes.js';

/** The keys of pipelinejobs.yaml that this dialect uses. */
interface PipelineJobsSettings {
  actors: readonly string[];
  tenant: string;
  api_server: string | null;
  job_manager_id: string | null;
  job_manager_nonce: string | null;
  archive_system: string;
  typeduuid_hashids_salt: string;
}

/** Builds the job events manager. */
export function openPipelineJobs(given: {
  settings: PipelineJobsSettings;
  adminTokens: AdminTokenSettings | null;
  store: Store;
  jobs: JobService;
  logins: LoginService;
  uuids: TypedUuids;
  subscriptions: SubscriptionService;
  clearArchive: (archive: { system: string; path: string }) => Promise<Cleared>;
  authenticate: RequestHandler;
  maxBodySize: number;
  clock: () => Date;
}) {
  const { settings, store, subscriptions } = given;
  const nonces = nonceService(store, given.logins, { tenant: settings.tenant, clock: given.clock });
  const jobEvents = jobEventService({ ...given, nonces });
  const callback = {
    server: settings.api_server,
    actor: settings.job_manager_id ?? settings.actors[0] ?? '',
    nonce: settings.job_manager_nonce,
  };
  const messages = messageRoutes({
    authenticate: given.authenticate,
    jobEvents,
    externalJobs: externalJobService({
      ...given,
      nonces,
      archiveSystem: settings.archive_system,
      hashidsSalt: settings.typeduuid_hashids_salt,
    }),
    nonces,
    callback,
    subscriptionsOf: (value) =>
      value === undefined ? [] : subscriptions.checkedSubscriptions(value, '/subscriptions'),
    showSubscriptions: (actor, job) => subscriptions.ofJob(actor, job),
    maxBodySize: given.maxBodySize,
  });
  const dialect = {
    path: '/actors/v2',
    routes: [asManager(settings.actors), messages, nonceRoutes({ ...given, nonces })],
    asksLogin: true,
  };
  return { nonces, jobEvents, callback, dialect };
}
