/** How much may run at once: the weights of all files that are being run never add up to more. */
export const slots = 4;

/**
 * Files of tests that take more than one slot, since they keep a core busy or measure how long something takes. They begin first,
 * so that light ones fit in beside them and none of these is left for the end.
 */
export const weights: Readonly<Record<string, number>> = {
  'test/dialects/pipeline-jobs/crash.test.ts': 2,
  'test/dialects/processing-node/large.test.ts': 2,
  'test/dialects/processing-node/memory.test.ts': 2,
  'test/drivers/adapters/folder.test.ts': 2,
  'test/drivers/adapters/pairs.test.ts': 2,
  'test/drivers/executors/remote/remote-faults.test.ts': 2,
  'test/drivers/hosts/login-shells.test.ts': 2,
  'test/drivers/streams/amqp-faults.test.ts': 2,
  'test/http/fuzz.test.ts': 3,
  'test/http/routes/browser.test.ts': 2,
  'test/worker/crash-rounds.test.ts': 3,
  'test/worker/crash.test.ts': 2,
  'test/worker/operations/operate-amqp.test.ts': 2,
  'test/worker/pipelines/pipeline-ends.test.ts': 2,
  'test/worker/servers/crash.test.ts': 2,
  'test/worker/services/service-crash.test.ts': 2,
  'test/worker/ssh-faults.test.ts': 2,
};

/** @param file its path from the root of the tree */
export const weightOf = (file: string): number => weights[file] ?? 1;
