import { constants } from 'node:os';
import { Readable } from 'node:stream';
import type { NodeSettings, ScriptName } from '../../config/node-file.js';
import type { Job, RunRequest } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { shuttingDown } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../../usecases/actor.js';
import { ownDefinitions } from '../../usecases/definitions/own-definitions.js';
import type { DefinitionService, FoundDefinition } from '../../usecases/definitions/process-definitions.js';
import type { JobService } from '../../usecases/jobs/jobs.js';
import type { Receiver } from '../../usecases/runs/receive.js';
import type { RunService } from '../../usecases/runs/runs.js';
import type { NodeAccount } from './node-account.js';

/** The kinds of script runs of a node. Each has its own definition. */
export type NodeRun = ScriptName | 'testrun' | 'sleep';

/** Escapes a text for a definition, so that nothing in it is a placeholder. */
const plainText = (text: string) => text.replaceAll('${', '$${');

const definitionName = (run: NodeRun) => `node ${run}`;

/** A user of this machine, for the environment of a script. */
export interface ScriptUser {
  name: string;
  home: string;
}

/** The process definition for a script run. */
export function scriptDefinition(
  run: NodeRun,
  settings: NodeSettings,
  user: ScriptUser | null,
): DefinitionDocument {
  const { pnshome, inputdir, outputdir, outputfiles } = settings.paths;
  // A script that times out gets no grace period.
  const common = { name: definitionName(run), kill_grace: 0 };
  if (run === 'sleep' || user === null) {
    return { ...common, exec: '/bin/sh', argv: ['-c', 'exec sleep "$PENSTOCK_SLEEP"'] };
  }
  const [exec = '', ...argv] = settings.scripts[run === 'testrun' ? 'run' : run];
  const environment = {
    HOME: user.home,
    LOGNAME: user.name,
    USER: user.name,
    PWD: pnshome,
    INPUTDIR: inputdir,
    OUTPUTDIR: outputdir,
  };
  const wanted = run === 'testrun' ? ['outfile'] : outputfiles;
  const output = {
    folder_path: plainText(outputdir),
    ...(wanted.length > 0 ? { file_names: [...wanted] } : {}),
  };
  return {
    ...common,
    exec,
    argv: argv.map(plainText),
    cwd: plainText(pnshome),
    environment: Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, plainText(value)]),
    ),
    limits: settings.limits,
    ...(run === 'run' || run === 'testrun'
      ? {
          input_adapter: { input_type: 'folder', input_parameters: { folder_path: plainText(inputdir) } },
          output_adapter: { output_type: 'folder', output_parameters: output },
        }
      : {}),
  };
}

/** The older node's return code: the exit code, or the negative number of the signal. */
export function returnCode({ outcome }: Job): number {
  switch (outcome?.cause) {
    case 'exit':
      return outcome.exit_code ?? -1;
    case 'timeout':
    case 'oom':
      return -constants.signals.SIGKILL;
    case 'signal':
    case 'cancelled':
      return -(
        constants.signals[(outcome.signal ?? 'SIGTERM') as NodeJS.Signals] ?? constants.signals.SIGTERM
      );
    default:
      return -1;
  }
}

/** With a longer time, a timer would fire at once. */
const longestWait = 2 ** 31 - 1;

/** Runs a node's scripts as jobs. */
export function nodeJobs(given: {
  store: Store;
  account: NodeAccount;
  definitions: DefinitionService;
  jobs: JobService;
  runs: RunService;
  receiver: Receiver;
  accepting: () => boolean;
}) {
  const { store, account, definitions, jobs, runs, receiver } = given;
  const { register } = ownDefinitions({ store, definitions, owner: () => account.get() });

  /** Waits for a job's end, however long that takes. */
  async function end(given: Job): Promise<Job> {
    let job = given;
    while (isUnfinished(job.state)) job = await jobs.waitForEnd(job, longestWait);
    return job;
  }

  async function submit(
    actor: Actor,
    definition: FoundDefinition,
    input: { name: string; content: string | Uint8Array } | null,
    request: RunRequest,
  ): Promise<Job> {
    if (!given.accepting()) throw shuttingDown();
    const received = receiver.begin(jobs.newUuid());
    try {
      if (input !== null) {
        await receiver.store(received, input.name, Readable.from(piecesOf(input.content)), { digest: false });
      }
      // Not awaited here, so that the input is not kept in memory until the end.
      return end((await runs.submit(actor, definition, received, request, null)).job);
    } catch (error) {
      await receiver.drop(received);
      throw error;
    }
  }

  return {
    submit,

    /**
     * Runs a script, or anything else that a node runs, as a job of the actor, and waits for its end.
     *
     * @param input files for the input folder, as a JSON document
     */
    async run(
      actor: Actor,
      document: DefinitionDocument,
      input: string | null,
      request: RunRequest,
    ): Promise<Job> {
      const definition = await register(document);
      return submit(
        actor,
        definition,
        input === null ? null : { name: 'input.json', content: input },
        request,
      );
    },

    /** A function that waits for script runs left over from before the restart, or null if there are none. */
    async left(): Promise<(() => Promise<unknown>) | null> {
      const left = await store.jobs.unfinishedAttended();
      return left.length === 0 ? null : () => Promise.all(left.map(end));
    },
  };
}

const pieceSize = 256 * 1024;

/** Content in pieces, so that there is no second complete copy of it. Never splits a surrogate pair. */
function* piecesOf(content: string | Uint8Array): Generator<Buffer> {
  if (typeof content !== 'string') {
    yield Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    return;
  }
  for (let at = 0, end = 0; at < content.length; at = end) {
    end = at + pieceSize;
    if (/[\uD800-\uDBFF]/.test(content[end - 1] ?? '')) end += 1;
    yield Buffer.from(content.slice(at, end));
  }
}

export type NodeJobs = ReturnType<typeof nodeJobs>;
