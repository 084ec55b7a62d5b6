import type { RequestHandler } from 'express';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import type { DefinitionService } from '../../usecases/definitions/process-definitions.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { LoginService } from '../../usecases/users/logins.js';
import { nodeService } from './node.js';
import type { NodeAccount } from './node-account.js';
import { nodeCalc } from './node-calc.js';
import { nodeJobs } from './node-jobs.js';
import type { NodeMachine } from './node-scripts.js';
import type { NodeSettingsService } from './node-settings.js';
import { nodeRoutes } from './routes.js';

/** Builds the processing node. */
export async function openProcessingNode(given: {
  settings: NodeSettingsService;
  account: NodeAccount;
  logins: LoginService;
  machine: NodeMachine;
  store: Store;
  definitions: DefinitionService;
  jobs: JobService;
  runs: RunService;
  receiver: Receiver;
  files: JobFiles;
  accepting: () => boolean;
  authenticate: RequestHandler;
  maxBodySize: number;
  clock: () => Date;
}) {
  const { baseurl } = given.settings.file;
  const jobsOfNode = nodeJobs(given);
  const calc = nodeCalc({ ...given, nodeJobs: jobsOfNode, fileValue: given.machine.fileValue });
  const node = nodeService({
    ...given,
    nodeJobs: jobsOfNode,
    calc,
    async forgetLogin() {
      const known = await given.account.known();
      if (known !== null) given.logins.forget(known.id);
    },
  });
  await node.resume();
  return {
    path: baseurl,
    routes: nodeRoutes({ ...given, baseurl, node }),
  };
}
