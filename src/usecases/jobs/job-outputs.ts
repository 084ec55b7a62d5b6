import path from 'node:path';
import { namedFiles } from '../../domain/definitions/command.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { externalExecutor, type Job, type JobOutputs } from '../../domain/jobs/job.js';
import { isUnfinished } from '../../domain/jobs/job-state.js';
import { PenstockError } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';
import { count } from '../../lib/wording.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import { type JobFile, jobFile, present } from './job-files.js';

/** A file of an output. */
export interface OutputFile extends JobFile {
  output: string;
  /** True if the output is a folder, or all files that a pattern finds: then its path tells the file from the others. */
  several: boolean;
  /** As declared; null if it was not. */
  mediaType: string | null;
  size: number;
}

/** A value that a job has put out. */
interface OutputValue {
  output: string;
  value: unknown;
}

export type JobOutput = OutputFile | OutputValue;

export const isFile = (output: JobOutput): output is OutputFile => 'file' in output;

/**
 * All outputs of a job, in the order of their declarations. Without declarations these are the main output, `output`, and
 * those with names. Throws as `jobFile` does, except that a job may have ended with no output at all.
 *
 * @param definition the revision that the job runs; null if it runs none
 */
export function jobOutputs(files: JobFiles, job: Job, definition: ProcessDefinition | null): JobOutput[] {
  if (job.executor === externalExecutor || job.cleared !== null || isUnfinished(job.state))
    jobFile(files, job, 'output');
  if (job.outputs !== null) return declaredOutputs(files, job.uuid, job.outputs, definition);
  if (job.outputPath === null) return [];
  const outputs = definition?.outputs ?? [];
  const main = definition?.mainOutput ?? 'output';
  const declared = outputs.find(({ name }) => name === main);
  const one = (output: string, file: JobFile): OutputFile => ({
    ...file,
    output,
    several: false,
    mediaType: exactType(output === main ? declared?.mediaType : null),
    size: Math.max(0, (fileSize(file.file) ?? 0) - file.start),
  });
  // A named output that is called as the main one is only at …/output/?name=output.
  const named = definition === null ? [] : namedFiles(definition).outputs.filter((name) => name !== main);
  return [
    one(main, jobFile(files, job, 'output')),
    ...named.flatMap((name) => {
      const file = files.namedOutput(job.uuid, job.attempt, name);
      return fileSize(file) === null ? [] : [one(name, { file, name, start: 0 })];
    }),
  ];
}

function declaredOutputs(
  files: JobFiles,
  uuid: string,
  made: JobOutputs,
  definition: ProcessDefinition | null,
): JobOutput[] {
  const declarations = definition?.outputs ?? [];
  const names = new Set([
    ...declarations.map(({ name }) => name),
    ...Object.keys(made.files),
    ...Object.keys(made.values),
  ]);
  return [...names].flatMap((output): JobOutput[] => {
    if (Object.hasOwn(made.values, output)) return [{ output, value: made.values[output] }];
    if (!Object.hasOwn(made.files, output)) return [];
    const list = made.files[output] ?? [];
    const declared = declarations.find(({ name }) => name === output);
    const several = declared === undefined ? list.length > 1 : declared.kind !== 'file';
    const mediaType = exactType(declared?.mediaType);
    return list.map(({ name, size, path: place }) => {
      const file = path.join(files.folder(uuid), place);
      return { output, name, file, start: 0, several, mediaType, size };
    });
  });
}

/** A declaration such as `image/*` does not say what a file is. */
const exactType = (type: string | null | undefined): string | null =>
  type == null || type.endsWith('/*') ? null : type;

/**
 * One of a job's outputs.
 *
 * @param file which of several files; undefined for an output that is one file, or a value
 * @throws `not-found`, which says what there is; `gone` if the file was deleted
 */
export function oneOutput(
  outputs: readonly JobOutput[],
  uuid: string,
  name: string,
  file?: string,
): JobOutput {
  const ofName = outputs.filter(({ output }) => output === name);
  const [first] = ofName;
  if (first === undefined) {
    const names = [...new Set(outputs.map(({ output }) => output))];
    throw notFound(`This job produced no output ${quoted(name)}.`, name, names);
  }
  if (!isFile(first)) {
    if (file === undefined) return first;
    throw new PenstockError('not-found', `The output '${name}' is a value; it has no files.`);
  }
  const names = ofName.filter(isFile).map((one) => one.name);
  if (file === undefined && first.several) {
    const detail = `The output '${name}' has ${count(names.length, 'file')}: ${someOf(names)}. Ask for one at /api/job/${uuid}/outputs/${name}/FILE/, or for all with /api/job/${uuid}/outputs/?archive=zip.`;
    throw new PenstockError('not-found', detail);
  }
  const found = file === undefined ? first : ofName.filter(isFile).find((one) => one.name === file);
  if (found === undefined)
    throw notFound(`The output '${name}' has no file ${quoted(file ?? '')}.`, file ?? '', names);
  present(found.file, found.name);
  return found;
}

function notFound(what: string, wanted: string, names: readonly string[]): PenstockError {
  // Comparing with thousands of names would take long.
  const near = nearest(wanted.slice(0, 200), names.slice(0, 500));
  const known = names.length === 0 ? 'There is none.' : `There is ${someOf(names)}.`;
  return new PenstockError('not-found', `${what} ${near === undefined ? known : `Did you mean '${near}'?`}`);
}

const quoted = (name: string): string => `'${name.slice(0, 100)}'`;

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ');
  return names.length > 20 ? `${shown} and ${count(names.length - 20, 'other')}` : shown;
}
