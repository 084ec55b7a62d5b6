import type { Command } from 'commander';
import { messageOf } from '../../../lib/errors.js';
import type { Client, Json } from '../../client/client.js';
import { connect, serverCommand } from '../../client/connect.js';
import { type Declared, declaredBy } from '../../client/declared.js';
import { type CliError, Ended, exitCodes, usageError } from '../../client/failure.js';
import { find, type Kind, kinds } from '../../client/find.js';
import { openInput } from '../../client/input.js';
import { exitCodeOf, hasEnded, hasSucceeded, outcomeText } from '../../client/outcome.js';
import { type Payload, plainPayload } from '../../client/payload.js';
import { askPlan, submit } from '../../client/submit.js';
import { tailOf } from '../../client/tail.js';
import { waitForJob } from '../../client/wait.js';
import { onInterrupt } from '../../terminal/interrupt.js';
import { type CliIo, print, printJson, tell } from '../../terminal/io.js';
import { renderObject } from '../../terminal/table.js';
import { type GivenInput, readGiven, unknownOption } from './given-inputs.js';
import { tellHelp } from './run-help.js';
import { inputsPayload } from './run-inputs.js';
import { checkJson, checkOptions, type RunOptions, readRequest, runOptions } from './run-options.js';
import { deliver, readTargets, tellValues } from './run-outputs.js';

const exitCodeHelp =
  'Exit code: that of the program; 128 + n if signal n killed it, 124 after a timeout,\n' +
  '130 if the job was cancelled, 1 for any other failure, 2 for a wrong command line.';

/** `penstock run …`: runs a registered program as if it were local. */
export function registerRun(program: Command, io: CliIo): void {
  runVerb(program, 'run a program: penstock run tr < in > out', kinds.definition, io).addHelpText(
    'after',
    `\nFor a service, prints the UUID as soon as it is ready, and leaves it running.\n${exitCodeHelp}`,
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
  const noun = kind === kinds.pipeline ? 'pipeline' : 'definition';
  return (
    runOptions(serverCommand(parent, 'run', about))
      // Its own --help asks the server. So the name is not required here, and its absence is found below.
      .helpOption(false)
      .usage(`[options] <${noun}> [inputs...]`)
      .argument(`[${noun}]`, `${kind.called} of a ${kind.words}`)
      .argument('[inputs...]', 'NAME=VALUE, or NAME=@FILE; --NAME or --no-NAME for yes or no')
      .allowUnknownOption()
      .action(async (key: string | undefined, words: string[], options: RunOptions, command: Command) => {
        if (options.help === true) return tellHelp(command, kind, key, io);
        if (key === undefined) command.error(`error: missing required argument '${noun}'`);
        const flags = command.options.flatMap(({ short, long }) => [short ?? [], long ?? []].flat());
        if (key.startsWith('-')) throw unknownOption(key, flags);
        checkOptions(options);
        const client = await connect(command, io);
        const { path, object } = await find(client, kind, key);
        const declared = declaredBy(object);
        checkJson(options, declared.outputs?.some(({ kind }) => kind !== 'value') ?? true);
        const given = readGiven(words, declared.inputs ?? [], flags);
        if (declared.inputs === null && given.length > 0) throw takesNone(key, given);
        const runnable = { path: `${path}run/`, given, ...declared };
        if (options.dryRun === true) return dryRun(client, runnable, options, io);
        await run(client, runnable, options, io);
      })
  );
}

/** What runs, with what it takes and makes, and the inputs that it was given. */
interface Runnable extends Declared {
  path: string;
  given: readonly GivenInput[];
}

function takesNone(key: string, given: readonly GivenInput[]): CliError {
  return usageError(
    `${key} declares no inputs, so it cannot take ${given.map(({ name }) => name).join(', ')}.`,
    'Send it a file with --input FILE, or on standard input.',
  );
}

async function payloadOf(
  { given, inputs }: Runnable,
  options: RunOptions,
  io: CliIo,
): Promise<Payload | undefined> {
  const request = readRequest(options, io);
  if (inputs !== null) return inputsPayload(request, given, inputs, options.input, io);
  const input = await openInput(options.input, io);
  return input === undefined ? undefined : plainPayload(request, input);
}

async function dryRun(client: Client, runnable: Runnable, options: RunOptions, io: CliIo): Promise<void> {
  const request = readRequest(options, io);
  // Without declared inputs nothing depends on the input, so it is left alone.
  const payload = runnable.inputs === null ? undefined : await payloadOf(runnable, options, io);
  const plan = await askPlan(client, { path: runnable.path, request, payload }, io);
  if (options.json === true) printJson(io, plan);
  else print(io, renderObject(plan));
}

/** One run from start to end: submit it, wait, then fetch the output or report what went wrong. */
async function run(client: Client, runnable: Runnable, options: RunOptions, io: CliIo): Promise<void> {
  const { path, outputs } = runnable;
  const request = readRequest(options, io);
  const targets = readTargets(options.output ?? [], outputs);
  const payload = await payloadOf(runnable, options, io);
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
      { path, request, payload, idempotencyKey, signal: stop.signal, uploaded },
      io,
    );
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
    const wanted = { targets, folder: options.outputs, json: options.json === true, outputs };
    if (hasSucceeded(job)) await deliver(client, job, wanted, io, stop.signal);
    else await tellFailure(client, job, io);
    if (options.json !== true) tellValues(job, outputs, io);
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
