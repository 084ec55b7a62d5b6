import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { FileDocument } from '../domain/file-document.js';
import type { Job } from '../domain/job.js';
import { rawMember, writeJsonText } from '../domain/json-text.js';
import { type NodeSettings, type ScriptName, scriptNames } from '../domain/node-settings.js';
import { answerProduct, testProduct, theName } from '../domain/product.js';
import { pythonList } from '../domain/python-text.js';
import { messageOf, PenstockError } from '../errors.js';
import type { JobFiles } from '../store/files.js';
import type { Actor } from './actor.js';
import { answer, type FileValue, jobAnswer, type NodeAnswer, type Piece, rawFile } from './node-answer.js';
import { type NodeJobs, type NodeRun, type ScriptUser, scriptDefinition } from './node-jobs.js';
import { contentOf, filesOf, type NodeRequest, originOf, partOf, timeoutOf } from './node-request.js';
import type { NodeSettingsService } from './node-settings.js';

/** What the node needs of the machine that it is on. */
export interface NodeMachine {
  fileValue: FileValue;
  accountOf: (name: string) => Promise<ScriptUser>;
  ensureFolders: (folders: { home: string; input: string; output: string }, owner: string) => Promise<void>;
  listing: (folder: string) => Promise<AsyncIterable<string> | null>;
  scriptText: (file: string) => Promise<string>;
  useOriginals: (home: string, scripts: readonly string[]) => Promise<void>;
}

/** What may be asked of a node. `exclusive`: only while nothing else that is exclusive is under way. */
export interface NodeCommand {
  exclusive: boolean;
  /** `detail` is what follows the command in the URL, if it takes anything there. */
  run: (request: NodeRequest, actor: Actor, detail: string) => Promise<NodeAnswer>;
}

/** What changes nothing, and needs no login. */
export type NodeView = () => Promise<NodeAnswer>;

export type NodeCommands = Readonly<Record<'PUT' | 'POST' | 'DELETE', Readonly<Record<string, NodeCommand>>>>;

/** Wrapping one program: init, configure, run, clean, one at a time; its input and output as files of two folders. */
export function nodeService(given: {
  settings: NodeSettingsService;
  nodeJobs: NodeJobs;
  files: JobFiles;
  machine: NodeMachine;
  calc: (request: NodeRequest, actor: Actor) => Promise<NodeAnswer>;
  clock: () => Date;
}) {
  const { nodeJobs, files, machine, clock } = given;
  const settings = (): NodeSettings => given.settings.current();
  /** What is under way; null: nothing that is exclusive. */
  let busy: string | null = null;

  function refuseIfBusy(): void {
    if (busy !== null) throw new PenstockError('node-busy', `The node is busy with ${busy}.`);
  }

  /** Does something while nothing else may begin that is exclusive. Throws `node-busy` at once. */
  async function exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    refuseIfBusy();
    busy = what;
    try {
      return await work();
    } finally {
      busy = null;
    }
  }

  function ensureFolders(): Promise<void> {
    const { pnshome, inputdir, outputdir } = settings().paths;
    return machine.ensureFolders(
      { home: pnshome, input: inputdir, output: outputdir },
      settings().serveruser,
    );
  }

  /** Runs one of the scripts as the user that they are for, with these input files if there are any. */
  async function script(
    run: Exclude<NodeRun, 'sleep'>,
    request: NodeRequest,
    actor: Actor,
    input: string | null = null,
  ): Promise<Job> {
    const timeout = timeoutOf(request);
    const now = settings();
    const user = await machine.accountOf(now.ptsuser);
    return nodeJobs.run(actor, run, scriptDefinition(run, now, user), input, {
      user: now.ptsuser,
      ...(timeout === undefined ? {} : { timeout }),
    });
  }
  const commandOf = (name: ScriptName) => settings().scripts[name];
  const outputOf = (job: Job) => path.join(files.folder(job.uuid), job.outputPath ?? '');
  const ended = (job: Job, command: readonly string[], output?: Piece) =>
    jobAnswer({ files, fileValue: machine.fileValue }, job, command, output);

  const scriptRun = (name: Exclude<ScriptName, 'run'>): NodeCommand => ({
    exclusive: true,
    async run(request, actor) {
      if (name === 'init') await ensureFolders();
      return ended(await script(name, request, actor), commandOf(name));
    },
  });

  const run: NodeCommand = {
    exclusive: true,
    async run(request, actor) {
      const input = filesOf(partOf(request, 'input'), settings().paths.inputfiles[0]);
      await ensureFolders();
      const job = await script('run', request, actor, input);
      return ended(job, commandOf('run'), rawFile(outputOf(job)));
    },
  };

  const testrun: NodeCommand = {
    exclusive: true,
    run: (request, actor) => {
      timeoutOf(request);
      return malformedIsAnAnswer(async () => {
        const input = partOf(request, 'input');
        if (input === undefined) throw new PenstockError('invalid-body', '/input: a Product is missing');
        const asked = { ...originOf(request), input };
        const infile = JSON.stringify({ infile: contentOf(theName(input)) });
        await ensureFolders();
        const job = await script('testrun', request, actor, infile);
        if (job.state !== 'FINISHED') return ended(job, commandOf('run'));
        const { outfile } = JSON.parse(await readFile(outputOf(job), 'utf8')) as FileDocument;
        const text =
          typeof outfile === 'string' ? outfile : Buffer.from(outfile?.base64 ?? '', 'base64').toString();
        const product = writeJsonText(answerProduct({ ...asked, now: clock() }, text));
        return ended(job, commandOf('run'), product);
      });
    },
  };

  const sleep: NodeCommand = {
    exclusive: true,
    async run(request, actor, detail) {
      const timeout = timeoutOf(request);
      const seconds = /^\d+(\.\d+)?$/.test(detail) ? detail : '3';
      const job = await nodeJobs.run(actor, 'sleep', scriptDefinition('sleep', settings(), null), null, {
        environment: { PENSTOCK_SLEEP: seconds },
        ...(timeout === undefined ? {} : { timeout }),
      });
      return ended(job, ['sleep', seconds]);
    },
  };

  const testcalc: NodeCommand = {
    exclusive: false,
    run: (request) =>
      malformedIsAnAnswer(async () => {
        const input = partOf(request, 'input');
        if (input === undefined) throw new PenstockError('invalid-body', '/input: a Product is missing');
        const product = testProduct({ ...originOf(request), input, now: clock() });
        return { result: writeJsonText(product), message: '""' };
      }),
  };

  /** Both names of old; one tells what it did last, the other nothing. */
  const originals = (telling: boolean): NodeCommand => ({
    exclusive: true,
    async run() {
      await ensureFolders();
      const scripts = scriptNames.map((name) => commandOf(name)[0] ?? '');
      try {
        await machine.useOriginals(settings().paths.pnshome, scripts);
      } catch (error) {
        return answer(-1, messageOf(error));
      }
      const last = scripts.at(-1) ?? '';
      const command = pythonList(['ln', '-s', `${path.basename(last)}.ori`, last]);
      return answer(0, telling ? { command, stdout: '', stderr: '', returncode: 0 } : '');
    },
  });

  const pnsconf: NodeCommand = {
    exclusive: true,
    run: (request) =>
      malformedIsAnAnswer(async () => {
        if (partOf(request, 'input') === undefined) {
          throw new PenstockError('invalid-body', '/input: the new configuration is missing');
        }
        const text = rawMember(request.text, 'input') ?? '';
        given.settings.replace(text, '/input');
        return { result: text, message: '""' };
      }),
  };

  const upload: NodeCommand = {
    exclusive: true,
    async run(_request, _actor, detail) {
      const name = scriptNames.find((one) => one === detail);
      if (name === undefined) {
        throw new PenstockError(
          'bad-request',
          `There is no script '${detail.slice(0, 100)}'; there are ${scriptNames.join(', ')}.`,
        );
      }
      return answer(
        -1,
        `Scripts are not replaced over HTTP; put a file at ${commandOf(name)[0]} on the node.`,
      );
    },
  };

  /** A file or folder of the node's; what cannot be read is answered with -1 and the reason. */
  const view =
    (read: () => Promise<NodeAnswer>): NodeView =>
    () =>
      read().catch((error: unknown) => answer(-1, messageOf(error)));

  const scriptFile = (name: ScriptName) =>
    view(async () => {
      const file = path.resolve(settings().paths.pnshome, commandOf(name)[0] ?? '');
      return answer(await machine.scriptText(file));
    });

  const folder = (which: 'inputdir' | 'outputdir') =>
    view(async () => {
      const place = settings().paths[which];
      const listed = await machine.listing(place);
      return listed === null ? answer(null, `${place} does not exist.`) : { result: listed, message: '""' };
    });

  const echo: NodeCommand = {
    exclusive: false,
    // The very text: who sends 1.0 or a large integer looks whether it comes back so.
    run: async ({ text }) => ({ result: text === '' ? 'null' : text, message: '""' }),
  };

  const views: Readonly<Record<string, NodeView>> = {
    init: scriptFile('init'),
    config: scriptFile('config'),
    run: scriptFile('run'),
    clean: scriptFile('clean'),
    input: folder('inputdir'),
    output: folder('outputdir'),
    pnsconfig: async () => ({ result: given.settings.shown(), message: '""' }),
  };

  const commands: NodeCommands = {
    PUT: {
      init: scriptRun('init'),
      config: scriptRun('config'),
      pnsconf,
      inittest: originals(true),
      testinit: originals(false),
      upload,
    },
    POST: {
      calc: { exclusive: false, run: given.calc },
      testcalc,
      echo,
      run,
      testrun,
      sleep,
    },
    DELETE: { clean: scriptRun('clean') },
  };

  return {
    views,
    commands,
    exclusively,
    refuseIfBusy,

    /** A script that a server before this one began keeps the node busy until it has ended. */
    async resume(): Promise<void> {
      const left = await nodeJobs.left();
      if (left !== null) void exclusively('a script from before the latest start', left);
    },
  };
}

/** Where the older system answered with -1 what it could not read, so do we. */
async function malformedIsAnAnswer(work: () => Promise<NodeAnswer>): Promise<NodeAnswer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof PenstockError && error.code === 'invalid-body') return answer(-1, error.message);
    throw error;
  }
}

export type NodeService = ReturnType<typeof nodeService>;
