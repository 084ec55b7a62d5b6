import { rm } from 'node:fs/promises';
import path from 'node:path';
import { outputNameOf } from '../../domain/definitions/command.js';
import type { PlaceholderValues } from '../../domain/definitions/placeholder.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { socketFile } from '../../domain/feeder/feeder-plan.js';
import { unbuffered } from '../../domain/feeder/feeding.js';
import type { Framing } from '../../domain/feeder/framing.js';
import { inputTexts } from '../../domain/inputs/input-texts.js';
import type { Job } from '../../domain/jobs/job.js';
import type {
  Adapter,
  AdapterContext,
  InputAdapter,
  OutputAdapter,
  PreparedInput,
  PreparedOutput,
  Taken,
} from '../../drivers/adapters/adapter.js';
import type { ExecutorFiles } from '../../drivers/executors/executor.js';
import { pipesCompanion } from '../../drivers/hosts/scripts/remote-pipes.js';
import { companionPipes } from '../../drivers/processes/companions.js';
import { basicEnvironment } from '../../drivers/processes/environment.js';
import { findProgram } from '../../drivers/processes/find-program.js';
import { makePipes } from '../../drivers/processes/pipes.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { JobFiles } from '../../store/folder/job-files.js';
import { hasFeeder, planFeeder } from './feeder.js';
import type { Place } from './machine-places.js';

/** What is needed to prepare an input and to collect an output. */
export interface AdaptContext {
  files: JobFiles;
  log: Logger;
  adapters: Readonly<Record<string, Adapter>>;
  /** LOCAL_SCRIPTS_FOLDER; null if it is not set. */
  scripts?: () => string | null;
}

type Placed = { job: Job; definition: ProcessDefinition; place: Place | null };
type Attempt = Placed & { setting: AdapterContext };

/** The context that an attempt's adapters get. */
export function adapterContext(files: JobFiles, { job, definition, place }: Placed): AdapterContext {
  const folder = files.attempt(job.uuid, job.attempt);
  const there = place?.folder ?? null;
  return {
    definition,
    folder,
    there,
    values: {
      // Those of secrets are missing: they stand in no path.
      ...inputTexts(
        definition.inputs ?? [],
        job.request.inputs ?? {},
        {},
        definition.mainInput,
        there ?? folder,
      ).values,
      work_dir: path.join(there ?? folder, 'work'),
      job_uuid: job.uuid,
    },
    input: job.inputName === null ? null : { file: files.input(job.uuid), name: job.inputName },
    outputName: outputNameOf(definition, job.request.output?.name),
    feed: job.request.feed ?? null,
    user: job.request.user ?? null,
  };
}

/** Prepares everything for a program: values for its placeholders, and what its streams are connected to. */
export async function prepare(
  context: AdaptContext,
  run: Attempt,
): Promise<{ values: PlaceholderValues; files: ExecutorFiles; before: readonly string[] }> {
  const { setting } = run;
  const { input, output } = sidesOf(context, setting);
  const { folder } = setting;
  const { joined } = run.job.request;
  try {
    const given = await input.prepare(setting);
    // The output may refer to something of the input's, such as a port that both use.
    const wanted = await output.prepare({ ...setting, values: { ...setting.values, ...given.values } });
    const files: ExecutorFiles = {
      folder,
      stdin: joined?.from ?? given.stdin,
      stdout: wanted.stdout ?? path.join(folder, 'stdout'),
      stderr: wanted.stderr ?? path.join(folder, 'stderr'),
      companions: await planFeeder(setting, given, wanted),
      append: run.definition.service !== null,
      ...farFiles(context, run, given, wanted),
    };
    return {
      values: { ...setting.values, ...given.values, ...wanted.values },
      files: joined?.to === undefined ? files : await joinedTo(joined.to, joined.tee === true, files),
      before: setting.feed === null ? [] : letGo(run.definition, setting.feed.framing),
    };
  } catch (error) {
    await clearUp(context, run);
    throw error;
  }
}

/** What a run on another machine copies there and back; nothing for a run here. */
function farFiles(
  context: AdaptContext,
  { job, place }: Attempt,
  { send = [], pipe: input }: PreparedInput,
  { fetch = [], pipe: output }: PreparedOutput,
): Partial<Pick<ExecutorFiles, 'place' | 'send' | 'fetch' | 'companions'>> {
  if (place === null) return {};
  const scripts = (job.request.scripts ?? []).map((name) => ({
    from: path.join(context.scripts?.() ?? '', name),
    to: path.posix.join(place.base, name),
  }));
  return {
    place: { host: place.host, folder: place.folder },
    send: [...scripts, ...send],
    fetch,
    companions: input === undefined && output === undefined ? [] : [pipesCompanion({ input, output })],
  };
}

/** The command before a fed program that keeps it from buffering its records; empty if the machine has no stdbuf. */
function letGo(definition: ProcessDefinition, framing: Framing): string[] {
  const [name, ...words] = unbuffered(definition, framing) ?? [];
  if (name === undefined) return [];
  try {
    return [findProgram(name, '/', basicEnvironment.PATH), ...words];
  } catch {
    return [];
  }
}

/** Standard output goes into a pipe to another job's program, and with `tee` into the log, too. */
async function joinedTo(to: string, tee: boolean, files: ExecutorFiles): Promise<ExecutorFiles> {
  if (!tee) return { ...files, stdout: to };
  const between = path.join(files.folder, 'tee');
  await makePipes([between]);
  const companion = { argv: ['tee', files.stdout], stdin: between, stdout: to };
  return { ...files, stdout: between, companions: [...files.companions, companion] };
}

/** The pipes and sockets that connect companions to a program. */
const joints = [...companionPipes, 'tee', socketFile];

/** Removes what was prepared for a program, whether it ran or never started. */
export async function clearUp(context: AdaptContext, { setting, job }: Attempt): Promise<void> {
  // A plain run has none, and must not pay for looking.
  if (job.request.joined !== undefined || hasFeeder(setting.folder)) {
    for (const name of joints) await rm(path.join(setting.folder, name), { force: true });
  }
  const { input, output } = sidesOf(context, setting);
  for (const side of [input, output]) {
    try {
      await side.clear(setting);
    } catch (error) {
      const fields = { job: job.uuid, error: messageOf(error) };
      context.log.warn(fields, "cannot remove a program's staged files");
    }
  }
}

/** Collects the output of a program that has ended, and removes what was prepared for it. */
export async function takeOutput(context: AdaptContext, run: Attempt): Promise<Taken> {
  try {
    if (passesOn(run.job)) return { output: null };
    return await sidesOf(context, run.setting).output.finish(run.setting);
  } finally {
    await clearUp(context, run);
  }
}

/** True if the program's output goes elsewhere and no file of it is left here. */
export const passesOn = ({ request }: Job): boolean =>
  request.feed !== undefined || (request.joined?.to !== undefined && request.joined.tee !== true);

/** The two adapters of a definition, one for each side; `file` by default. */
function sidesOf(
  { adapters }: AdaptContext,
  { definition }: AdapterContext,
): { input: InputAdapter; output: OutputAdapter } {
  const one = (type: string): Adapter => {
    const adapter = adapters[type];
    if (adapter === undefined) throw new Error(`there is no adapter ${type}`);
    return adapter;
  };
  return {
    input: one(definition.input?.type ?? 'file').input,
    output: one(definition.output?.type ?? 'file').output,
  };
}
