import type { RequestHandler } from 'express';
import type { JobService } from '../../services/jobs.js';
import type { LoginService } from '../../services/logins.js';
import { nodeService } from '../../services/node.js';
import type { NodeAccount } from '../../services/node-account.js';
import { nodeCalc } from '../../services/node-calc.js';
import { nodeJobs } from '../../services/node-jobs.js';
import type { NodeMachine } from '../../services/node-scripts.js';
import type { NodeSettingsService } from '../../services/node-settings.js';
import type { DefinitionService } from '../../services/process-definitions.js';
import type { Receiver } from '../../services/receive.js';
import type { RunService } from '../../services/runs.js';
import type { JobFiles } from '../../store/files.js';
import type { Store } from '../../store/store.js';
import { processingNodePaths } from './openapi.js';
import { processingNodeRouter } from './routes.js';

/** Builds what the processing node is made of. */
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
    router: processingNodeRouter({ ...given, baseurl, node }),
    paths: processingNodePaths(baseurl),
  };
}
