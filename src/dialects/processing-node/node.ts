import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type ScriptName, scriptNames } from '../../config/node-file.js';
import { pythonList } from '../../domain/external-jobs/python-text.js';
import type { FileDocument } from '../../domain/json/file-document.js';
import { writeJsonText } from '../../domain/json/json-text.js';
import { messageOf, PenstockError } from '../../lib/errors.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import type { Actor } from '../../usecases/actor.js';
import { answer, type NodeAnswer, rawFile } from './node-answer.js';
import type { NodeJobs } from './node-jobs.js';
import { contentOf, inputOf, type NodeRequest, originOf, partOf, timeoutOf } from './node-request.js';
import { type NodeMachine, nodeScripts } from './node-scripts.js';
import type { NodeSettingsService } from './node-settings.js';
import { nodeViews } from './node-views.js';
import { answerProduct, testProduct, theName } from './products/product.js';

/** A command of a node. `exclusive`: only one exclusive command may run at a time. */
export interface NodeCommand {
  exclusive: boolean;
  /** `detail` is the part of the URL after the command, if the command has one. */
  run: (request: NodeRequest, actor: Actor, detail: string) => Promise<NodeAnswer>;
}

/** Wraps one program: init, config, run and clean, one at a time, with input and output as files in two folders. */
export function nodeService(given: {
  settings: NodeSettingsService;
  nodeJobs: NodeJobs;
  files: JobFiles;
  machine: NodeMachine;
  calc: (request: NodeRequest, actor: Actor) => Promise<NodeAnswer>;
  /** Forgets verified logins of the node's own account. */
  forgetLogin: () => Promise<void>;
  clock: () => Date;
}) {
  const { nodeJobs, machine, clock } = given;
  const settings = given.settings.current;
  const scripts = nodeScripts({ ...given, settings });
  /** The exclusive command that is running, or null. */
  let busy: string | null = null;

  function refuseIfBusy(): void {
    if (busy !== null) throw new PenstockError('node-busy', `The node is busy with ${busy}.`);
  }

  /** Does exclusive work. Throws `node-busy` at once if other exclusive work is running. */
  async function exclusively<T>(what: string, work: () => Promise<T>): Promise<T> {
    refuseIfBusy();
    busy = what;
    try {
      return await work();
    } finally {
      busy = null;
    }
  }

  const script = (name: Exclude<ScriptName, 'run'>): NodeCommand => ({
    exclusive: true,
    run: startable(async (request, actor) => {
      if (name === 'init') await scripts.ensureFolders();
      return scripts.answer(await scripts.run(name, request, actor), scripts.command(name));
    }),
  });

  const run: NodeCommand = {
    exclusive: true,
    run: startable(async (request, actor) => {
      const input = inputOf(request, settings().paths.inputfiles[0]);
      await scripts.ensureFolders();
      const job = await scripts.run('run', request, actor, input);
      return scripts.answer(job, scripts.command('run'), rawFile(scripts.outputOf(job)));
    }),
  };

  const testrun: NodeCommand = {
    exclusive: true,
    run: startable(async (request, actor) => {
      timeoutOf(request);
      const asked = attempt(() => {
        const input = productOf(request);
        return { ...originOf(request), input, infile: contentOf(theName(input)) };
      });
      if ('result' in asked) return asked;
      await scripts.ensureFolders();
      const infile = JSON.stringify({ infile: asked.infile });
      const job = await scripts.run('testrun', request, actor, () => infile);
      const command = scripts.command('run');
      if (job.state !== 'FINISHED') return scripts.answer(job, command);
      if ((job.outputSize ?? 0) > largestAnswer) {
        const reason = `The output outfile is too large for testrun: ${job.outputSize} bytes. Use run, which returns files of any size.`;
        return { ...answer(-1, reason), job: job.uuid };
      }
      const { outfile = '' } = JSON.parse(await readFile(scripts.outputOf(job), 'utf8')) as FileDocument;
      const text = typeof outfile === 'string' ? outfile : Buffer.from(outfile.base64, 'base64').toString();
      return scripts.answer(job, command, writeJsonText(answerProduct({ ...asked, now: clock() }, text)));
    }),
  };

  const sleep: NodeCommand = {
    exclusive: true,
    async run(request, actor, detail) {
      const seconds = /^\d+(\.\d+)?$/.test(detail) ? detail : '3';
      return scripts.answer(await scripts.sleep(seconds, request, actor), ['sleep', seconds]);
    },
  };

  const testcalc: NodeCommand = {
    exclusive: false,
    async run(request) {
      return attempt(() => {
        const product = testProduct({ ...originOf(request), input: productOf(request), now: clock() });
        return { result: writeJsonText(product), message: '""' };
      });
    },
  };

  const echo: NodeCommand = {
    exclusive: false,
    // The exact text, because clients check that 1.0 or a large integer comes back unchanged.
    run: async ({ text }) => ({ result: text === '' ? 'null' : text, message: '""' }),
  };

  /** Both older names of the command. One reports the last link that it made, the other nothing. */
  const originals = (telling: boolean): NodeCommand => ({
    exclusive: true,
    async run() {
      const files = scriptNames.map((name) => scripts.command(name)[0] ?? '');
      try {
        await scripts.ensureFolders();
        await machine.useOriginals(settings().paths.pnshome, files);
      } catch (error) {
        return answer(-1, messageOf(error));
      }
      const last = files.at(-1) ?? '';
      const command = pythonList(['ln', '-s', `${path.basename(last)}.ori`, last]);
      return answer(0, telling ? { command, stdout: '', stderr: '', returncode: 0 } : '');
    },
  });

  const pnsconf: NodeCommand = {
    exclusive: true,
    async run(request) {
      const done = attempt(() => {
        const part = partOf(request, 'input');
        if (part === undefined) {
          throw new PenstockError('invalid-body', '/input: the new configuration is missing.');
        }
        // Unchanged parts stay byte for byte.
        const text = writeJsonText(part);
        given.settings.replace(text, '/input');
        return { result: text, message: '""' };
      });
      await given.forgetLogin();
      return done;
    },
  };

  const upload: NodeCommand = {
    exclusive: true,
    async run(_request, _actor, detail) {
      const name = scriptNames.find((one) => one === detail);
      if (name === undefined) {
        throw new PenstockError(
          'bad-request',
          `Unknown script '${detail.slice(0, 100)}'. Use one of ${scriptNames.join(', ')}.`,
        );
      }
      const place = scripts.command(name)[0];
      return answer(-1, `Scripts cannot be replaced over HTTP. Put the file at ${place} on the node.`);
    },
  };

  const commands = {
    PUT: {
      init: script('init'),
      config: script('config'),
      pnsconf,
      inittest: originals(true),
      testinit: originals(false),
      upload,
    },
    POST: {
      calc: { exclusive: false, run: given.calc } satisfies NodeCommand,
      testcalc,
      echo,
      run,
      testrun,
      sleep,
    },
    DELETE: { clean: script('clean') },
  };

  return {
    views: nodeViews({ ...given, scripts }),
    commands,
    exclusively,
    refuseIfBusy,

    /** A script that was started before a restart keeps the node busy until it has ended. */
    async resume(): Promise<void> {
      const left = await nodeJobs.left();
      if (left !== null) void exclusively('a script from before the latest start', left);
    },
  };
}

export type NodeService = ReturnType<typeof nodeService>;

/** The largest output for a product of `testrun`, in bytes, because that is made in memory. */
const largestAnswer = 16 * 1024 * 1024;

function productOf(request: NodeRequest) {
  const input = partOf(request, 'input');
  if (input !== undefined) return input;
  throw new PenstockError('invalid-body', '/input: a Product is missing.');
}

/** Answers an invalid body with -1 and the reason, as the older node did. */
function attempt<T>(read: () => T): T | NodeAnswer {
  try {
    return read();
  } catch (error) {
    if (error instanceof PenstockError && error.code === 'invalid-body') return answer(-1, error.message);
    throw error;
  }
}

/** Answers for a script that cannot run as its user as for any other that cannot be started. */
const startable =
  (run: NodeCommand['run']): NodeCommand['run'] =>
  (...given) =>
    run(...given).catch((error: unknown) => {
      if (!(error instanceof PenstockError) || error.code !== 'account-unusable') throw error;
      return answer(-1, { returncode: -1, message: error.message });
    });
