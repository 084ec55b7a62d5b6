import path from 'node:path';
import type { NodeSettings, ScriptName } from '../../config/node-file.js';
import type { Job } from '../../domain/jobs/job.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { type FileValue, jobAnswer, type NodeAnswer, type Piece } from './node-answer.js';
import { type NodeJobs, type NodeRun, type ScriptUser, scriptDefinition } from './node-jobs.js';
import { forget, type NodeRequest, timeoutOf } from './node-request.js';

/** What the node needs from its machine. */
export interface NodeMachine {
  fileValue: FileValue;
  accountOf: (name: string) => Promise<ScriptUser>;
  ensureFolders: (folders: { home: string; input: string; output: string }, owner: string) => Promise<void>;
  listing: (folder: string) => Promise<AsyncIterable<string> | null>;
  /** The text of a script, by its path or its name on PATH, read as this user. */
  scriptText: (exec: string, user: string) => Promise<string>;
  useOriginals: (home: string, scripts: readonly string[]) => Promise<void>;
}

/** The node's scripts, by its current settings. */
export function nodeScripts(given: {
  settings: () => NodeSettings;
  nodeJobs: NodeJobs;
  files: JobFiles;
  machine: NodeMachine;
}) {
  const { settings, nodeJobs, files, machine } = given;

  return {
    /** The program of a script and its arguments. */
    command: (name: ScriptName) => settings().scripts[name],

    /** Creates missing folders. Throws `folder-unusable`. */
    ensureFolders(): Promise<void> {
      const { paths, serveruser } = settings();
      const { pnshome, inputdir, outputdir } = paths;
      return machine.ensureFolders({ home: pnshome, input: inputdir, output: outputdir }, serveruser);
    },

    /**
     * Runs a script as its user, and waits for its end. Frees the request first.
     *
     * @param takeInput returns the files for the input folder, as a JSON document, and drops them
     */
    async run(
      run: Exclude<NodeRun, 'sleep'>,
      request: NodeRequest,
      actor: Actor,
      takeInput: () => string | null = () => null,
    ): Promise<Job> {
      const now = settings();
      const timeout = timeoutOf(request) ?? now.timeout;
      forget(request);
      const definition = scriptDefinition(run, now, await machine.accountOf(now.ptsuser));
      return nodeJobs.run(actor, definition, takeInput(), {
        user: now.ptsuser,
        timeout,
        attended: true,
      });
    },

    /** Sleeps for that many seconds. */
    async sleep(seconds: string, request: NodeRequest, actor: Actor): Promise<Job> {
      const now = settings();
      const timeout = timeoutOf(request) ?? now.timeout;
      forget(request);
      return nodeJobs.run(actor, scriptDefinition('sleep', now, null), null, {
        environment: { PENSTOCK_SLEEP: seconds },
        timeout,
        attended: true,
      });
    },

    /** The file with a job's output. */
    outputOf: (job: Job) => path.join(files.folder(job.uuid), job.outputPath ?? ''),

    /** The answer for a job that has ended: see `jobAnswer`. */
    answer: (job: Job, command: readonly string[], output?: Piece): NodeAnswer =>
      jobAnswer({ files, fileValue: machine.fileValue }, job, command, output),
  };
}

export type NodeScripts = ReturnType<typeof nodeScripts>;
