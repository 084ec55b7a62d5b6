import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { outputNameOf } from '../../domain/definitions/command.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { GivenFile, StoredInputs } from '../../domain/inputs/input-texts.js';
import { checkInputs, type Given, takerOf } from '../../domain/inputs/input-values.js';
import { type Job, newJob, type RunRequest } from '../../domain/jobs/job.js';
import { ended } from '../../domain/jobs/outcome.js';
import { filledValues } from '../../domain/pipelines/pipeline-inputs.js';
import type { Plan, PlannedStep } from '../../domain/pipelines/pipeline-plan.js';
import type { Receipt } from '../../drivers/executors/executor.js';
import { nothingToEnd } from '../../drivers/processes/terminate.js';
import { PenstockError } from '../../lib/errors.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';
import { namesOnly } from '../../usecases/runs/runs.js';
import { persist, type RunContext } from '../attempt/run.js';
import { place, type StepFiles } from './step-files.js';
import type { Items } from './step-items.js';

/** Runs the jobs of steps. */
export interface StepRunner {
  submit(job: Job, definition: ProcessDefinition): void;
  cancel(job: Job, by: string): Promise<Receipt | undefined>;
}

export interface StepContext extends RunContext {
  store: Store;
  runner: StepRunner;
  definitionOf: (revisionId: number) => Promise<ProcessDefinition>;
}

/** The pipeline for whose step a job is created. */
interface Whole {
  job: Job;
  plan: Plan;
  files: StepFiles;
  uuidOf: (step: string, item: number | null) => string;
  /** The items of steps that run once per item. */
  items: ReadonlyMap<string, Items>;
}

/** The folder of a pipeline's job that holds its named pipes, each named after the step that writes to it. */
export const pipesFolder = (files: JobFiles, uuid: string): string => path.join(files.folder(uuid), 'pipes');
export const pipeOf = (files: JobFiles, uuid: string, writer: string): string =>
  path.join(pipesFolder(files, uuid), writer);

/** The run request of a step's job; `environment` includes the values. */
function requestOf({ files }: StepContext, { job, plan }: Whole, step: PlannedStep): RunRequest {
  const { executor, host, application, priority, output } = job.request;
  const own = job.request.environment === undefined ? {} : files.environment(job.uuid);
  const environment = { ...step.environment, ...own };
  const before = plan.steps.find(({ joinedTo }) => joinedTo === step.name);
  const joined = {
    ...(before === undefined ? {} : { from: pipeOf(files, job.uuid, before.name) }),
    ...(step.joinedTo === null ? {} : { to: pipeOf(files, job.uuid, step.name) }),
    ...(step.joinedTo !== null && step.tee ? { tee: true as const } : {}),
  };
  const isEnd = plan.output.step === step.name && plan.output.output === null;
  return {
    ...(executor === undefined ? {} : { executor }),
    ...(host === undefined ? {} : { host }),
    ...(application === undefined ? {} : { application }),
    ...(priority === undefined ? {} : { priority }),
    ...(step.timeout === null ? {} : { timeout: step.timeout }),
    ...(isEnd && output !== undefined ? { output } : {}),
    ...(Object.keys(environment).length === 0 ? {} : { environment }),
    ...(Object.keys(joined).length === 0 ? {} : { joined }),
  };
}

/** Puts the inputs of a step's job into a folder. @returns the main input, and the declared inputs; null if there are none */
async function stage(
  context: StepContext,
  whole: Whole,
  step: PlannedStep,
  item: number | null,
  definition: ProcessDefinition,
  folder: string,
): Promise<{ input: { name: string; size: number } | null; inputs: StoredInputs | null }> {
  if (definition.inputs === null)
    return { input: await stageOlder(whole, step, item, definition, folder), inputs: null };
  const main = definition.mainInput;
  const input = await stageMain(whole, step, item, definition, folder);
  const declared = await stageDeclared(context.files, whole, step, definition, folder);
  const given = main === null || input === null ? {} : { [main]: [input] };
  const checked = checkInputs(takerOf(definition), {
    values: declared.values,
    files: { ...declared.files, ...given },
  });
  if (Array.isArray(checked)) {
    const details = checked.map(({ detail }) => detail).join('; ');
    throw new PenstockError('invalid-input', `The step '${step.name}': ${details}.`);
  }
  if (Object.keys(checked.secrets).length > 0)
    context.files.keepSecrets(path.basename(folder), checked.secrets, folder);
  return { input, inputs: checked.stored };
}

/** The files and values of a step's declared inputs. */
async function stageDeclared(
  files: JobFiles,
  whole: Whole,
  step: PlannedStep,
  { inputs }: ProcessDefinition,
  folder: string,
): Promise<Given> {
  const own = { ...whole.job.request.inputs, ...files.secrets(whole.job.uuid) };
  const values = filledValues(step.values ?? {}, own);
  const staged: Record<string, GivenFile[]> = {};
  for (const [name, source] of Object.entries(step.inputs)) {
    const input = inputs?.find((one) => one.name === name);
    if (input?.kind === 'value') {
      const [made, value] = await whole.files.valueOf(source);
      if (made) values[name] = value;
      continue;
    }
    const given = await whole.files.all(source);
    if (given.length === 0) continue;
    const below = path.join(folder, 'inputs', ...(input?.kind === 'file' ? [] : [name]));
    await mkdir(below, { recursive: true, mode: 0o700 });
    staged[name] = [];
    for (const [index, one] of given.entries()) {
      const target = path.join(below, input?.kind === 'file' ? name : String(index));
      await place(one.file, target, true);
      staged[name].push({ name: path.basename(one.name), size: fileSize(target) ?? 0 });
    }
  }
  return { values, files: staged };
}

/** Puts the inputs of a definition that declares none into a folder. @returns the main input, or null if it has none */
async function stageOlder(
  whole: Whole,
  step: PlannedStep,
  item: number | null,
  definition: ProcessDefinition,
  folder: string,
): Promise<{ name: string; size: number } | null> {
  for (const [name, source] of Object.entries(step.inputs)) {
    const given = await whole.files.of(source);
    if (given === null)
      throw new PenstockError('gone', `The input '${name}' of the step '${step.name}' does not exist.`);
    await mkdir(path.join(folder, 'inputs'), { recursive: true, mode: 0o700 });
    await place(given.file, path.join(folder, 'inputs', name), true);
  }
  return stageMain(whole, step, item, definition, folder);
}

async function stageMain(
  whole: Whole,
  step: PlannedStep,
  item: number | null,
  { input }: ProcessDefinition,
  folder: string,
): Promise<{ name: string; size: number } | null> {
  // A program that gets a path may write there, but the previous step's bytes must not change.
  const own = input?.type === 'file' && input.via === 'path';
  const wanted = input?.type === 'file' && input.via === 'path' ? input.fileName : undefined;
  const target = path.join(folder, 'input');
  const joined = whole.plan.steps.some(({ joinedTo }) => joinedTo === step.name);
  if (joined || step.input === null) return null;
  let name: string | null;
  if (item === null) {
    const given = await whole.files.of(step.input);
    if (given === null) return null;
    await place(given.file, target, own);
    name = given.name;
  } else name = (await whole.items.get(step.name)?.stage(item, target, own)) ?? null;
  return { name: wanted ?? name ?? 'input', size: fileSize(target) ?? 0 };
}

/**
 * Creates the job of a step, or of one of its items. Its UUID is computed from the pipeline's job, the step and the
 * item, so that it is created only once, even after a crash. It is not started here.
 */
export async function makeStepJob(
  context: StepContext,
  whole: Whole,
  step: PlannedStep,
  item: number | null,
): Promise<Job> {
  const { files, jobs } = context;
  const { job } = whole;
  const uuid = whole.uuidOf(step.name, item);
  const definition = await context.definitionOf(step.revisionId);
  const { environment, ...request } = requestOf(context, whole, step);
  await files.reject(uuid);
  const folder = files.receive(uuid);
  try {
    const { input, inputs } = await stage(context, whole, step, item, definition, folder);
    if (environment !== undefined) files.keepEnvironment(uuid, environment);
    const made = await jobs.create(
      {
        ...newJob(uuid, job.ownerId, request.executor ?? definition.executor),
        processDefinitionId: step.definition,
        definitionRevisionId: step.revisionId,
        priority: request.priority ?? definition.priority,
        request: {
          ...request,
          ...(inputs === null ? {} : { inputs }),
          ...(environment === undefined ? {} : { environment: namesOnly(environment) }),
        },
        inputName: input?.name ?? null,
        inputSize: input?.size ?? null,
        outputName: outputNameOf(definition, request.output?.name),
        parentId: job.id,
        step: step.name,
        item,
        session: job.session,
      },
      { process_definition: step.definition, revision: step.revision, step: step.name, item },
    );
    files.accept(uuid);
    return made;
  } catch (error) {
    // Unless the job exists after all, and this is its input.
    if ((await context.store.jobs.byUuid(uuid)) === null) await files.reject(uuid);
    throw error;
  }
}

/** Makes a step's job that must run again wait in the queue, with its current inputs. */
export async function makeReady(
  context: StepContext,
  whole: Whole,
  step: PlannedStep,
  item: number | null,
): Promise<Job> {
  const { files, jobs, store } = context;
  const known = await whole.files.jobOf(step.name, item);
  const definition = await context.definitionOf(step.revisionId);
  const folder = files.folder(known.uuid);
  const { input, inputs } = await stage(context, whole, step, item, definition, folder);
  const { environment } = requestOf(context, whole, step);
  if (environment !== undefined) files.keepEnvironment(known.uuid, environment, folder);
  let job = known;
  const same = known.inputName === (input?.name ?? null) && known.inputSize === (input?.size ?? null);
  if (!same || inputs !== null) {
    const request = inputs === null ? known.request : { ...known.request, inputs };
    await store.stepJobs.setInput(known.id, input, request);
    job = jobs.patch(known, { request, inputName: input?.name ?? null, inputSize: input?.size ?? null });
  }
  return persist(context, job, 'ready', {});
}

/** Ends a step's job, whether it runs, waits, or is only meant to run again. */
export async function cancelStepJob(
  context: StepContext,
  uuid: string,
  by: string,
): Promise<Receipt | undefined> {
  const job = await context.store.jobs.byUuid(uuid);
  if (job === null) return undefined;
  const receipt = await context.runner.cancel(job, by);
  if (receipt !== undefined) return receipt;
  const now = await context.store.jobs.byUuid(uuid);
  if (now === null || (now.state !== 'CREATED' && now.state !== 'RESET')) return undefined;
  // No lane has it: it waits for its input, or for the job that it is joined to.
  const waiting = now.state === 'RESET' ? await persist(context, now, 'ready', {}) : now;
  const outcome = ended('cancelled', `Cancelled by ${by}.`);
  await persist(
    context,
    waiting,
    'fail',
    { outcome, ended: new Date(), waiting: null, notBefore: null },
    outcome,
  );
  return nothingToEnd;
}

/** Resets a job to run again from the beginning. It only queues after `makeReady`. */
export function resetStepJob(context: RunContext, job: Job): Promise<Job> {
  return persist(context, job, 'reset', {
    handle: null,
    outcome: null,
    started: null,
    ended: null,
    notBefore: null,
    waiting: null,
    outputPath: null,
    outputs: null,
    outputSize: null,
    programFailures: 0,
    platformFailures: 0,
  });
}
