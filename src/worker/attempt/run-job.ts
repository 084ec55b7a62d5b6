import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type BaseValues,
  buildCommand,
  type InputTexts,
  withMain,
} from '../../domain/definitions/command.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job, JobChange } from '../../domain/jobs/job.js';
import { ended, type Outcome, succeeded } from '../../domain/jobs/outcome.js';
import { timeoutOf } from '../../domain/jobs/timeout.js';
import type { ExecutorFiles, Handle } from '../../drivers/executors/executor.js';
import { secondsSince, thisMoment } from '../../drivers/processes/boot-clock.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { messageOf } from '../../lib/errors.js';
import { fileSize, makeDurable } from '../../store/folder/job-files.js';
import { clearUp, passesOn, prepare, takeOutput } from './adapt.js';
import { withFeeder } from './feeder.js';
import { placeNamedFiles, takeNamedFiles } from './named-files.js';
import { oversize } from './oversize.js';
import { persist, type Run, type RunContext } from './run.js';
import { goOnStopping, stopRun } from './stop-run.js';
import { syncEarly } from './sync-early.js';
import { takeOutputs } from './take-outputs.js';

/**
 * Prepares and starts the program. The `run` event is stored while the program is already starting.
 *
 * @param more what the event records and changes beyond the start itself
 */
export async function startProgram(
  context: RunContext,
  run: Run,
  more: { change?: () => JobChange; data?: object } = {},
): Promise<{ recorded: Promise<Job> }> {
  if (run.place !== null) run.unwanted.signal.throwIfAborted();
  const { setting, definition } = run;
  mkdirSync(setting.folder, { mode: 0o700 });
  if (setting.there === null) mkdirSync(setting.values.work_dir, { mode: 0o700 });
  const named = await placeNamedFiles(context.files, run, setting.there);
  const prepared = await prepare(context, run);
  let handle: Handle;
  try {
    const { files } = prepared;
    if (files.place !== undefined) {
      files.unwanted = run.unwanted.signal;
      files.send = [...(files.send ?? []), ...named.send];
      files.fetch = [...(files.fetch ?? []), ...named.fetch];
      files.folders = named.folders;
    }
    const values = withMain(definition, { ...setting.values, ...prepared.values, ...named.values });
    handle = await launch(context, run, values, named.texts, prepared);
  } catch (error) {
    await clearUp(context, run);
    throw error;
  }
  handle.began ??= thisMoment();
  run.handle = handle;
  const started = new Date();
  const recorded = persist(
    context,
    run.job,
    'run',
    () => ({
      handle,
      attempt: run.job.attempt,
      started,
      waiting: null,
      notBefore: null,
      ...more.change?.(),
    }),
    {
      attempt: run.job.attempt,
      executor: run.job.executor,
      pid: (handle.runner as { pid?: number } | null)?.pid ?? null,
      ...(run.place === null ? {} : { host: run.place.host, ...run.placing }),
      ...unkept(handle),
      ...more.data,
    },
  );
  return { recorded };
}

/** Starts the program with what the adapters prepared. */
function launch(
  context: RunContext,
  run: Run,
  values: BaseValues,
  texts: InputTexts,
  { files, before }: { files: ExecutorFiles; before: readonly string[] },
): Promise<Handle> {
  const { definition } = run;
  const { request, uuid } = run.job;
  const environment =
    request.environment === undefined ? {} : { environment: context.files.environment(uuid) };
  const command = buildCommand(
    definition,
    { ...request, ...environment },
    values,
    context.defaultTimeout,
    texts,
  );
  // A file that is appended to may already have been large.
  const bounded = definition.output?.type === 'append' ? [] : [definition.limits.outputSize];
  const sizes = [...bounded, definition.limits.logSize].filter((size) => size !== null);
  return context.executor.start(
    {
      uuid: run.job.uuid,
      exec: command.exec,
      argv: command.argv,
      environment: {
        HOME: values.work_dir,
        ...basicEnvironment,
        ...messageVariables(run.job),
        ...(run.place === null ? {} : { PENSTOCK_BASE_FOLDER: run.place.base }),
        ...command.environment,
      },
      cwd: command.cwd,
      before,
      user: request.user ?? null,
      killGrace: definition.killGrace,
      limits: {
        ...definition.limits,
        // The kernel's limit applies to every file that the program writes; one byte more tells "exactly full" from
        // "too large".
        fileSize: sizes.length === 0 ? null : Math.max(...sizes) + 1,
      },
    },
    files,
  );
}

/** The variables that tell a program about its message. */
function messageVariables({ request: { message } }: Job): Record<string, string> {
  const id = message?.id ?? '';
  return id === '' || id.includes('\0') ? {} : { PENSTOCK_MESSAGE_ID: id };
}

function unkept(handle: Handle): object {
  const limits = handle.unkept_limits;
  return Array.isArray(limits) && limits.length > 0 ? { limits_not_enforced: limits } : {};
}

/** Waits for the program's end, and ends it when its time is up or its output is too large. */
export async function waitForProgram(context: RunContext, run: Run): Promise<Outcome> {
  const { definition, job } = run;
  const handle = run.handle;
  if (handle === null) throw new Error(`the job ${job.uuid} has no handle to wait for`);
  const seconds = timeoutOf(definition, job.request, context.defaultTimeout);
  const guards = new AbortController();
  goOnStopping(context, run);
  if (seconds !== null) {
    const left = Math.max(0, seconds - secondsSince(handle.began, job.started)) * 1000;
    void onTime(left, guards.signal, () => {
      void stopRun(context, run, ended('timeout', `It ran longer than its ${seconds} s.`));
    });
  }
  void watchSizes(context, run, guards.signal);
  const { folder, outputName } = run.setting;
  const endSync = syncEarly([path.join(folder, 'stdout'), path.join(folder, 'output', outputName)]);
  try {
    const outcome = await context.executor.wait(handle);
    if (run.stop === null) return outcome;
    const { signalled } = await run.stop.receipt.catch(() => ({ signalled: [] }));
    // It had ended by itself before a signal reached it, or no signal could reach it: its own end was the first cause.
    if (signalled.length === 0 && !run.stop.noted) return outcome;
    const { cause, reason } = run.stop.outcome;
    return { ...outcome, cause, reason };
  } finally {
    endSync();
    // With a reason given, Node need not create an error object, with its stack, for every job.
    guards.abort('ended');
  }
}

/** Node's timer fires at once if it is longer. */
const longestTimer = 2 ** 31 - 1;

async function onTime(milliseconds: number, signal: AbortSignal, action: () => void): Promise<void> {
  try {
    for (let left = milliseconds; left > 0; left -= longestTimer) {
      await delay(Math.min(left, longestTimer), undefined, { signal, ref: false });
    }
    if (!signal.aborted) action();
  } catch {
    // The program ended first.
  }
}

/** Output goes straight into files, so its size is checked now and then, besides the kernel's limit. */
async function watchSizes(context: RunContext, run: Run, signal: AbortSignal): Promise<void> {
  const { definition, setting } = run;
  const { outputSize, logSize } = definition.limits;
  if (outputSize === null && logSize === null) return;
  try {
    for (;;) {
      await delay(500, undefined, { signal, ref: false });
      const over = oversize(definition, setting);
      if (over !== null) {
        void stopRun(context, run, ended('signal', over));
        return;
      }
    }
  } catch {
    // The program ended first.
  }
}

/** Whether a run may succeed without its main output. */
const isOptional = ({ outputs, mainOutput }: ProcessDefinition): boolean =>
  outputs?.find(({ name }) => name === mainOutput)?.optional === true;

/** Collects the output, makes everything durable, and returns the outcome. Logs are kept whatever else fails. */
export async function collect(
  context: RunContext,
  run: Run,
  outcome: Outcome,
): Promise<{ outcome: Outcome; change: JobChange }> {
  const { definition, job, setting } = run;
  const root = context.files.folder(job.uuid);
  let final = withFeeder(setting, outcome);
  const change: JobChange = { outputName: setting.outputName, outputPath: null, outputSize: null };
  try {
    const taken = await takeOutput(context, run);
    if (taken.output !== null) {
      change.outputPath = path.relative(root, taken.output);
      change.outputSize = fileSize(taken.output);
      await makeDurable(taken.output);
      if (final.reason === null && succeeded(final, definition.successCodes))
        final = { ...final, reason: taken.note ?? null };
    } else if (succeeded(final, definition.successCodes) && !passesOn(job) && !isOptional(definition)) {
      final = {
        ...final,
        cause: 'platform',
        reason:
          definition.mainOutput === null
            ? 'It succeeded, but there is no output file at the path in the definition.'
            : `It succeeded, but there is no output ${definition.mainOutput}.`,
      };
    }
    const declared = await takeOutputs(context.files, run, final, change);
    change.outputs = declared.outputs;
    const missing = (await takeNamedFiles(context.files, run)) ?? declared.missing;
    if (missing !== null && succeeded(final, definition.successCodes)) {
      final = { ...final, cause: 'platform', reason: missing };
    }
    const over = oversize(definition, setting);
    // It explains an exit that may have been caused by SIGPIPE.
    if (over !== null && (final.reason === null || final.cause === 'exit'))
      final = { ...final, cause: final.cause === 'exit' ? 'signal' : final.cause, reason: over };
  } catch (error) {
    context.log.warn({ job: job.uuid, error: messageOf(error) }, 'cannot collect output');
    if (succeeded(final, definition.successCodes)) {
      final = { ...final, cause: 'platform', reason: `The output cannot be collected: ${messageOf(error)}` };
    }
  }
  return { outcome: final, change };
}
