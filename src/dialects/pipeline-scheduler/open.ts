import { readdir } from 'node:fs/promises';
import { type RequestHandler, Router } from 'express';
import type { CloudFiles } from '../../config/config-cloud.js';
import type { Known } from '../../http/answers/answer.js';
import { answer } from '../../http/openapi/openapi-parts.js';
import type { Routes } from '../../http/route.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import { type Actor, requireAdmin } from '../../usecases/actor.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { ApplicationService } from '../../usecases/servers/applications.js';
import type { LoginService } from '../../usecases/users/logins.js';
import { ownAccount } from '../../usecases/users/own-account.js';
import { shownConfig } from './config-view.js';
import { failure, send } from './envelope.js';
import { schedulerLogin } from './login.js';
import { firstRoutes } from './old-routes.js';
import { common, type SchedulerRouteOptions, taskRoutes } from './routes.js';
import { schedulerViews } from './scheduler-views.js';
import { serverRoutes } from './server-routes.js';
import { text, told } from './shapes.js';
import { keepTaskTimes } from './task-times.js';
import { taskService } from './tasks.js';

/** Builds the scheduler's protocols. */
export function openPipelineScheduler(given: {
  store: Store;
  files: JobFiles;
  definitions: DefinitionService;
  jobs: JobService;
  runs: RunService;
  receiver: Receiver;
  applications: ApplicationService;
  isActive: Parameters<typeof schedulerViews>[0]['isActive'];
  accepting: () => boolean;
  log: Parameters<typeof keepTaskTimes>[0]['log'];
  /** The current configuration files for the scheduler. */
  cloudFiles: () => CloudFiles;
  authenticate: RequestHandler;
  logins: LoginService;
  cancel: SchedulerRouteOptions['cancel'];
  clear: SchedulerRouteOptions['clear'];
  reload: SchedulerRouteOptions['reload'];
  maxBodySize: number;
  clock: () => Date;
}) {
  const { cloudFiles } = given;
  const account = ownAccount(given.store, 'scheduler', given.clock);
  const tasks = taskService({
    ...given,
    account,
    async scripts() {
      const folder = cloudFiles().application.LOCAL_SCRIPTS_FOLDER;
      if (folder === null) return null;
      const entries = await readdir(folder, { withFileTypes: true });
      return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    },
  });
  /** All tokens share one account, which may do what clients of the older scheduler could do. */
  let own: number | null = null;
  const login = schedulerLogin({
    ...given,
    tokens: () => cloudFiles().tokens,
    async account() {
      const actor = await account.get();
      own = actor.id;
      return actor;
    },
  });
  const keeps = (actor: Actor) => actor.admin || actor.id === own;
  const options: SchedulerRouteOptions = {
    ...given,
    config: (whole) => shownConfig(cloudFiles(), whole),
    login,
    tasks,
    keeps,
    views: schedulerViews({ ...given, tasks, keeps }),
    mayKeep: (actor: Actor) => {
      if (!keeps(actor)) requireAdmin(actor, 'do this without one of the scheduler’s tokens');
    },
  };
  const inOurShape: RequestHandler = (_request, response, next) => {
    (response.locals as Known).problemShape = failure;
    next();
  };
  const start: Routes = {
    ...common(options),
    // Only for the scheduler's own paths: a 404 for anything else has our own shape.
    before: Router()
      .all('/', inOurShape)
      .use(['/tasks', '/servers', '/config', '/pipeline', '/instance', '/error'], inOurShape),
    routes: {
      'GET /': {
        id: 'start',
        summary: 'Check that the scheduler is up; browsers are sent to the docs',
        answers: {
          200: told('It is up', text),
          302: answer('To /api/docs/, for clients that ask for HTML'),
        },
        handle: (_request, response) => send(response, 200, 'success', 'A cloudy day!'),
      },
    },
  };
  const dialect = {
    path: '/',
    routes: [start, taskRoutes(options), serverRoutes(options), firstRoutes(options)],
    asksLogin: true,
  };
  const timesWritten = keepTaskTimes({ ...given, file: () => cloudFiles().application.TIMETEST_CSV_FILE });
  return { dialect, close: timesWritten };
}
