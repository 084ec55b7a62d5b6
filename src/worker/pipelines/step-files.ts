import { createReadStream, existsSync } from 'node:fs';
import { link, lstat, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Job } from '../../domain/jobs/job.js';
import type { Source } from '../../domain/pipelines/pipeline-document.js';
import type { Plan, PlannedStep } from '../../domain/pipelines/pipeline-plan.js';
import { copyFile } from '../../drivers/files/copy-file.js';
import { PenstockError } from '../../lib/errors.js';
import { fileSize, type JobFiles, makeDurable } from '../../store/folder/job-files.js';
import type { Store } from '../../store/store.js';

/** A file with the name to show. */
interface NamedFile {
  file: string;
  name: string;
}

/** Larger outputs are not gathered as JSON: each is in memory while it is checked. */
const largestJson = 64 * 1024 * 1024;
const piece = 500;

/** Finds the files of the jobs of a pipeline's steps. */
export class StepFiles {
  readonly #store: Store;
  readonly #files: JobFiles;
  /** The pipeline's job. */
  readonly #job: Job;
  readonly #plan: Plan;
  readonly #uuidOf: (step: string, item: number | null) => string;
  readonly #totalOf: (step: string) => number;
  readonly #gathering = new Map<string, Promise<NamedFile>>();

  constructor(given: {
    store: Store;
    files: JobFiles;
    job: Job;
    plan: Plan;
    uuidOf: (step: string, item: number | null) => string;
    /** How many items a step has. */
    totalOf: (step: string) => number;
  }) {
    this.#store = given.store;
    this.#files = given.files;
    this.#job = given.job;
    this.#plan = given.plan;
    this.#uuidOf = given.uuidOf;
    this.#totalOf = given.totalOf;
  }

  #stepOf(name: string): PlannedStep {
    return this.#plan.steps.find((step) => step.name === name) as PlannedStep;
  }

  /** The file with a source's bytes; null if the pipeline has no such input. */
  async of(source: Source): Promise<NamedFile | null> {
    if (source.step === null) {
      const { output } = source;
      const [own] = output === null ? [] : this.#ownFiles(output);
      if (own !== undefined) return own;
      if (output !== null) return { file: this.#files.namedInput(this.#job.uuid, output), name: output };
      if (this.#job.inputName === null) return null;
      return { file: this.#files.input(this.#job.uuid), name: this.#job.inputName };
    }
    const step = this.#stepOf(source.step);
    if (step.each === null) return this.ofJob(step.name, null, source.output);
    const known = this.#gathering.get(step.name) ?? this.#gather(step);
    this.#gathering.set(step.name, known);
    known.catch(() => this.#gathering.delete(step.name));
    return known;
  }

  /** The files of an input that the pipeline declares. */
  #ownFiles(name: string): NamedFile[] {
    const given = this.#job.request.inputs?.[name] as { name: string } | { name: string }[] | undefined;
    if (given === undefined) return [];
    if (Array.isArray(given)) {
      return given.map((one, index) => ({
        file: this.#files.inputFile(this.#job.uuid, name, index),
        name: one.name,
      }));
    }
    const beside = this.#files.namedInput(this.#job.uuid, name);
    // The only file of a pipeline is its main input.
    return [{ file: existsSync(beside) ? beside : this.#files.input(this.#job.uuid), name: given.name }];
  }

  /** All files that a source means: one, or those of an input or output that has several. */
  async all(source: Source): Promise<NamedFile[]> {
    const { step, output } = source;
    if (step === null && output !== null && this.#job.request.inputs !== undefined)
      return this.#ownFiles(output);
    if (step !== null && output !== null && this.#stepOf(step).each === null) {
      const job = await this.jobOf(step, null);
      const made = job.outputs?.files[output];
      if (made !== undefined)
        return made.map(({ path: below, name }) => ({
          file: path.join(this.#files.folder(job.uuid), below),
          name,
        }));
    }
    const one = await this.of(source);
    return one === null ? [] : [one];
  }

  /** A value that a step made: `[false]` if it made none of that name. */
  async valueOf({ step, output }: Source): Promise<[false] | [true, unknown]> {
    if (step === null || output === null) return [false];
    const { outputs } = await this.jobOf(step, null);
    return outputs !== null && Object.hasOwn(outputs.values, output)
      ? [true, outputs.values[output]]
      : [false];
  }

  /** The output of one of a step's jobs. */
  async ofJob(step: string, item: number | null, output: string | null = null): Promise<NamedFile> {
    const job = await this.jobOf(step, item);
    const declared = output === null ? undefined : job.outputs?.files[output]?.[0];
    const name = job.outputName ?? 'output';
    const kept =
      output === null
        ? job.outputPath
        : (declared?.path ??
          path.relative(
            this.#files.folder(job.uuid),
            this.#files.namedOutput(job.uuid, job.attempt, output),
          ));
    const file = kept === null ? null : path.join(this.#files.folder(job.uuid), kept);
    if (file === null || fileSize(file) === null) {
      const which = output === null ? 'The output' : `The output '${output}'`;
      throw new PenstockError('gone', `${which} of the step '${step}' does not exist.`);
    }
    return { file, name: declared?.name ?? output ?? name };
  }

  /** The working folder of a step's program. */
  async workOf(step: string): Promise<string> {
    const job = await this.jobOf(step, null);
    return path.join(this.#files.attempt(job.uuid, job.attempt), 'work');
  }

  async jobOf(step: string, item: number | null): Promise<Job> {
    const job = await this.#store.jobs.byUuid(this.#uuidOf(step, item));
    if (job === null) throw new PenstockError('gone', `A job of the step '${step}' no longer exists.`);
    return job;
  }

  /** The outputs of all items as one file. It exists completely or not at all. */
  async #gather(step: PlannedStep): Promise<NamedFile> {
    const folder = path.join(this.#files.attempt(this.#job.uuid, this.#job.attempt), 'gathered');
    const file = path.join(folder, step.name);
    const total = this.#totalOf(step.name);
    const name = total === 0 ? 'output' : ((await this.jobOf(step.name, 0)).outputName ?? 'output');
    if (existsSync(file)) return { file, name };
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const coming = `${file}.new`;
    await rm(coming, { force: true });
    const target = await open(coming, 'wx', 0o600);
    const way = step.each?.gather ?? 'concat';
    try {
      if (way === 'json') await target.writeFile('[');
      for (let from = 0; from < total; from += piece) {
        const uuids = Array.from({ length: Math.min(piece, total - from) }, (_, at) =>
          this.#uuidOf(step.name, from + at),
        );
        const rows = new Map((await this.#store.stepJobs.outputs(uuids)).map((row) => [row.uuid, row]));
        for (const [at, uuid] of uuids.entries()) {
          const kept = rows.get(uuid)?.outputPath;
          const output = path.join(this.#files.folder(uuid), kept ?? '');
          if (!kept || fileSize(output) === null) {
            const what = `The output of item ${from + at} of the step '${step.name}'`;
            throw new PenstockError('gone', `${what} does not exist.`);
          }
          if (way === 'json') {
            const separator = from + at === 0 ? '' : ',';
            await target.writeFile(separator + (await jsonOf(output, step.name, from + at)));
          } else await append(output, target, way === 'lines');
        }
      }
      if (way === 'json') await target.writeFile(']\n');
      await target.datasync();
    } finally {
      await target.close();
    }
    await rename(coming, file);
    return { file, name };
  }
}

/** Adds a file's bytes. As lines, it adds a missing line feed at the end of a file that is not empty. */
async function append(
  from: string,
  target: Awaited<ReturnType<typeof open>>,
  asLines: boolean,
): Promise<void> {
  let last: number | undefined;
  for await (const chunk of createReadStream(from, { highWaterMark: 1024 * 1024 })) {
    const bytes = chunk as Buffer;
    last = bytes.at(-1);
    await target.writeFile(bytes);
  }
  if (asLines && last !== undefined && last !== 10) await target.writeFile('\n');
}

async function jsonOf(file: string, step: string, item: number): Promise<string> {
  const what = `The output of item ${item} of the step '${step}'`;
  if ((fileSize(file) ?? 0) > largestJson) {
    throw new PenstockError(
      'too-large',
      `${what} is larger than ${largestJson} bytes, too large for gather "json".`,
    );
  }
  const text = (await readFile(file, 'utf8')).trim();
  try {
    JSON.parse(text);
  } catch {
    throw new PenstockError('bad-json', `${what} is not JSON, which gather "json" needs.`);
  }
  return text;
}

/**
 * Puts a file in another place: as a hard link, or, if a program could change it there, as a copy, which some file
 * systems make without copying bytes.
 */
export async function place(file: string | Buffer, target: string, own: boolean): Promise<void> {
  await rm(target, { force: true });
  // A hard link to a symbolic link would lead to bytes that may be anybody's, and may change.
  if (!own && !(await lstat(file)).isSymbolicLink()) {
    try {
      await link(file, target);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK') throw error;
    }
  }
  await copyFile(file, target, { exclusive: true });
  await makeDurable(target);
}
