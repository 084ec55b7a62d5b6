import type { Command } from 'commander';
import { messageOf } from '../../../lib/errors.js';
import type { Client, Json } from '../../client/client.js';
import { connect, serverCommand } from '../../client/connect.js';
import { declarationsOf } from '../../client/declared.js';
import { CliError, Ended, exitCodes, usageError } from '../../client/failure.js';
import { find, type Kind, kinds } from '../../client/find.js';
import type { Part } from '../../client/form.js';
import { type Input, openInput } from '../../client/input.js';
import { hasMainOutput, toFolder, valueLines, wantedOutputs } from '../../client/job-outputs.js';
import { exitCodeOf, hasEnded, hasSucceeded, outcomeText } from '../../client/outcome.js';
import { toFile, toStdout } from '../../client/output.js';
import { submit } from '../../client/submit.js';
import { tailOf } from '../../client/tail.js';
import { waitForJob } from '../../client/wait.js';
import { onInterrupt } from '../../terminal/interrupt.js';
import { type CliIo, print, printJson, tell } from '../../terminal/io.js';
import { renderObject } from '../../terminal/table.js';
import { partsOf, readGiven } from './given-inputs.js';
import { inputsHelp } from './inputs-help.js';
import { checkOptions, type RunOptions, readRequest, runOptions } from './run-options.js';

const exitCodeHelp =
  'Exit code: that of the program; 128 + n if signal n killed it, 124 after a timeout,\n' +
  '130 if the job was cancelled, 1 for any other failure, 2 for a wrong command line.';

/** `penstock run …`: runs a registered program as if it were local. */
export function registerRun(program: Command, io: CliIo): void {
  runVerb(program, 'run a program: penstock run tr < in > out', kinds.definition, io).addHelpText(
    'after',
    `\nInputs: NAME=VALUE, or --NAME VALUE; NAME=@FILE for a file, NAME=@- for standard input;\n--NAME and --no-NAME for a switch. penstock run NAME --help tells what NAME takes.\n\nFor a service, prints the UUID as soon as it is ready, and leaves it running.\n${exitCodeHelp}`,
  );
}

/** `penstock pipeline run …`: runs a pipeline as if it were one program. */
export function registerPipelineRun(pipeline: Command, io: CliIo): void {
  runVerb(pipeline, 'run a pipeline: penstock pipeline run words < in > out', kinds.pipeline, io).addHelpText(
    'after',
    `\n${exitCodeHelp.replace('that of the program', 'that of the step that failed')}`,
  );
}

function runVerb(parent: Command, about: string, kind: Kind, io: CliIo): Command {
  const word = kind === kinds.pipeline ? 'pipeline' : 'definition';
  return runOptions(serverCommand(parent, 'run', about))
    .argument(`[${word}]`, `${kind.called} of a ${kind.words}`)
    .argument('[inputs...]', 'its inputs, each NAME=VALUE or NAME=@FILE')
    .allowUnknownOption()
    .action(async (key: string | undefined, _inputs: unknown, options: RunOptions, command: Command) => {
      if (options.help === true) return help(command, kind, key, io);
      if (key === undefined) command.error(`error: missing required argument '${word}'`);
      checkOptions(options);
      const client = await connect(command, io);
      const { path, object } = await find(client, kind, key);
      const words = command.args.slice(1);
      await run(client, { path: `${path}run/`, object, words, command }, options, io);
    });
}

/** The command's own help, and what the named definition takes, if the server can be asked. */
async function help(command: Command, kind: Kind, key: string | undefined, io: CliIo): Promise<void> {
  command.outputHelp();
  if (key === undefined) return;
  try {
    const { object } = await find(await connect(command, io), kind, key);
    const [inputs, outputs] = [declarationsOf(object, 'inputs'), declarationsOf(object, 'outputs')];
    print(io, inputsHelp(key, inputs, outputs));
  } catch (error) {
    tell(io, `\npenstock: cannot tell what ${key} takes: ${messageOf(error)}`);
    for (const hint of error instanceof CliError ? error.hints : []) tell(io, `  ${hint}`);
  }
}

/** What is run: where it is submitted, its object, and the further words of the command line. */
interface Target {
  path: string;
  object: Json;
  words: readonly string[];
  command: Command;
}

/** The declared inputs, or the one input of what declares none. */
async function inputsOf(
  { object, words, command }: Target,
  options: RunOptions,
  io: CliIo,
): Promise<{ input: Input | undefined; parts: Part[] }> {
  const declared = declarationsOf(object, 'inputs');
  const flags = command.options.flatMap(({ long }) => (long ? [long] : []));
  if (declared !== undefined) {
    const given = readGiven(words, declared, flags);
    return { input: undefined, parts: await partsOf(given, declared, options.input, io) };
  }
  // An option that does not exist gets its usual message.
  if (words.some((word) => word.startsWith('--'))) readGiven(words, {}, flags);
  if (words.length > 0) {
    throw usageError(
      `It declares no inputs, so it takes no further arguments: ${words[0]}`,
      'Send its input with --input FILE, or through standard input.',
    );
  }
  return { input: options.dryRun === true ? undefined : await openInput(options.input, io), parts: [] };
}

/** One run from start to end: submit it, wait, then fetch the output or report what went wrong. */
async function run(client: Client, target: Target, options: RunOptions, io: CliIo): Promise<void> {
  const { path } = target;
  const request = readRequest(options, io);
  const { input, parts } = await inputsOf(target, options, io);
  const dryRun = options.dryRun === true;
  const stop = new AbortController();
  let phase: 'uploading' | 'uploaded' | 'waiting' | 'fetching' = 'uploading';
  let uuid: string | undefined;
  let interrupted = false;
  const release = onInterrupt(() => {
    interrupted = true;
    if (uuid !== undefined && phase === 'waiting') void cancel(client, uuid, io);
    else if (phase !== 'uploaded') stop.abort();
  });
  try {
    const uploaded = () => {
      phase = 'uploaded';
    };
    const { idempotencyKey } = options;
    let job = await submit(
      client,
      { path, request, input, parts, idempotencyKey, dryRun, signal: stop.signal, uploaded },
      io,
    );
    if (dryRun) return options.json === true ? printJson(io, job) : print(io, renderObject(job));
    uuid = String(job.uuid);
    phase = 'waiting';
    // If Control-C came between the last byte and the answer, only now can the job be cancelled.
    if (interrupted) void cancel(client, uuid, io);
    if (!options.wait) return options.json === true ? printJson(io, job) : print(io, uuid);
    const service = job.service !== null;
    job = await waitForJob(client, uuid, io, service ? 'ready' : 'end');
    // The service keeps running; `penstock job show` tells how it is doing.
    if (service && !hasEnded(job)) return options.json === true ? printJson(io, job) : print(io, uuid);
    phase = 'fetching';
    if (hasSucceeded(job)) await deliver(client, job, options, io, stop.signal);
    else await tellFailure(client, job, io);
    if (options.json === true) printJson(io, job);
    const code = exitCodeOf(job);
    if (code !== exitCodes.ok) throw new Ended(code);
  } finally {
    release();
  }
}

async function cancel(client: Client, uuid: string, io: CliIo): Promise<void> {
  tell(io, `\npenstock: cancelling job ${uuid}; press Control-C again to exit at once.`);
  try {
    await client.act('POST', `/api/job/${uuid}/cancel/`);
  } catch (error) {
    tell(io, `penstock: cannot cancel the job: ${messageOf(error)}`);
  }
}

async function deliver(
  client: Client,
  job: Json,
  options: RunOptions,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const wanted = wantedOutputs(job, options.output ?? []);
  for (const { name, file } of wanted) {
    const query = name === undefined ? {} : { name };
    const answer = await client.ask('GET', `/api/job/${job.uuid}/output/`, { query, signal });
    if (file === '-') await toStdout(answer, io, signal);
    else await toFile(answer, file, io, signal);
  }
  if (options.outputs !== undefined) await toFolder(client, job, options.outputs, io, signal);
  if (options.json !== true) for (const line of valueLines(job)) tell(io, line);
  if (wanted.length > 0 || options.outputs !== undefined || !hasMainOutput(job)) return;
  const answer = await client.ask('GET', `/api/job/${job.uuid}/output/`, { signal });
  await toStdout(answer, io, signal);
}

/** Prints what happened, the last lines of standard error, and how to see the rest. */
async function tellFailure(client: Client, job: Json, io: CliIo): Promise<void> {
  tell(io, `penstock: job ${job.uuid} failed: ${outcomeText(job)}.`);
  const uuid = Array.isArray(job.steps) ? await failedStep(client, job) : job.uuid;
  const tail = uuid === undefined ? undefined : await tailOf(client, `/api/job/${uuid}/stderr/`);
  if (tail !== undefined) tell(io, tail.text);
  if (tail?.cut) tell(io, `penstock: to see all of it: penstock job logs --stderr ${uuid}`);
  if (job.steps) tell(io, `penstock: to see its steps: penstock job show ${job.uuid}`);
}

/** The job of the step that made the pipeline fail. The others were cancelled. */
async function failedStep(client: Client, job: Json): Promise<unknown> {
  const causes = 'exit,signal,timeout,oom,lost,platform';
  const query = { parent: String(job.uuid), state: 'FAILED', cause__in: causes, order_by: 'ended' };
  const { objects } = await client.list('/api/job/', query, 20);
  const { exit_code: code } = (job.outcome ?? {}) as { exit_code?: unknown };
  const alike = objects.find(({ outcome }) => (outcome as { exit_code?: unknown }).exit_code === code);
  return (alike ?? objects[0])?.uuid;
}
