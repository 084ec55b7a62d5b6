import { lstatSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { atPointer, type OutputDeclaration, valueSchemaOf } from '../../domain/inputs/output-declaration.js';
import { outputPlaces, staticPart } from '../../domain/inputs/output-places.js';
import type { JobChange, JobOutputs } from '../../domain/jobs/job.js';
import { type Outcome, succeeded } from '../../domain/jobs/outcome.js';
import { filesBelow } from '../../drivers/files/files-below.js';
import { keysOf } from '../../lib/pointer.js';
import { compileSchema } from '../../lib/value-schema.js';
import { count } from '../../lib/wording.js';
import { fileSize, type JobFiles } from '../../store/folder/job-files.js';
import { keepFile } from './named-files.js';
import type { Run } from './run.js';

/** A value may be read from so many bytes. */
const largestValue = 1024 * 1024;
/** The most files of one output. */
const mostFiles = 10_000;

/** An output that cannot be taken: a sentence. */
class Unusable extends Error {}

/**
 * Takes the declared outputs of a program that has ended.
 *
 * @param change what is known of the main output
 * @returns what there is, and why the run cannot count as a success, if so
 */
export async function takeOutputs(
  files: JobFiles,
  run: Run,
  outcome: Outcome,
  change: JobChange,
): Promise<{ outputs: JobOutputs | null; missing: string | null }> {
  const { definition, job, setting } = run;
  if (definition.outputs === null) return { outputs: null, missing: null };
  const root = files.folder(job.uuid);
  const outputs: JobOutputs = { files: {}, values: {} };
  const places = new Map(
    outputPlaces(definition, setting.values, setting.folder).map((place) => [place.output.name, place]),
  );
  let missing: string | null = null;
  const worked = succeeded(outcome, definition.successCodes);
  for (const output of definition.outputs) {
    const { name, kind } = output;
    try {
      if (name === definition.mainOutput) {
        const { outputPath, outputSize, outputName } = change;
        if (typeof outputPath === 'string')
          outputs.files[name] = [{ name: outputName ?? name, size: outputSize ?? 0, path: outputPath }];
      } else if (kind === 'value') {
        const [found, value] = await valueIn(output, places.get(name)?.at ?? null, setting.folder, outcome);
        if (found) {
          outputs.values[name] = value;
          const size = JSON.stringify(outputs.values).length;
          if (size > largestValue) {
            delete outputs.values[name];
            throw new Unusable(
              `The output ${name} cannot be kept: the values of a job may have at most ${count(largestValue, 'character')}.`,
            );
          }
        } else if (!output.optional) missing ??= `It succeeded, but there is no output ${name}.`;
      } else {
        const taken = await filesOf(output, places.get(name)?.at ?? '', setting.folder, root);
        if (taken.length > 0) outputs.files[name] = taken;
        else if (!output.optional) missing ??= `It succeeded, but there is no output ${name}.`;
      }
    } catch (error) {
      // A program that failed need not have left anything right.
      if (!(error instanceof Unusable)) throw error;
      if (worked) missing ??= error.message;
    }
  }
  return { outputs, missing };
}

async function filesOf(
  output: OutputDeclaration,
  at: string,
  folder: string,
  root: string,
): Promise<JobOutputs['files'][string]> {
  if (output.kind === 'file') {
    const file = output.from === null ? at : path.join(folder, output.from);
    const size = fileSize(file);
    if (size === null) return [];
    await keepFile(file);
    const name = output.fileName ?? (output.from === null ? path.basename(file) : output.name);
    return [{ name, size, path: path.relative(root, file) }];
  }
  const pattern = output.kind === 'files' ? restOf(output.glob ?? '') : '**';
  const most = (number: number) => {
    if (number > mostFiles)
      throw new Unusable(`The output ${output.name} has more than ${count(mostFiles, 'file')}.`);
  };
  const found = await filesBelow(at, pattern, most).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  const taken: JobOutputs['files'][string] = [];
  const prefix = output.kind === 'files' ? staticPart(output.glob ?? '') : '';
  for (const { name, bytes, escaped } of found) {
    const file = path.join(at, name);
    // A name that is not UTF-8 gets the name by which it is shown, so that there is one for both.
    if (escaped) await rename(Buffer.concat([Buffer.from(`${at}/`), bytes]), file).catch(() => undefined);
    const size = lstatSync(file, { throwIfNoEntry: false })?.isFile() ? fileSize(file) : null;
    if (size === null) continue;
    await keepFile(file);
    taken.push({ name: path.posix.join(prefix, name), size, path: path.relative(root, file) });
  }
  return taken;
}

/** The part of a pattern that is not the folder where it is looked for. */
const restOf = (glob: string): string => {
  const prefix = staticPart(glob);
  return prefix === '' ? glob : glob.slice(prefix.length + 1);
};

/** A value that a program made: `[false]`, or `[true, value]`. */
async function valueIn(
  output: OutputDeclaration,
  at: string | null,
  folder: string,
  outcome: Outcome,
): Promise<[false] | [true, unknown]> {
  const { name, from, pointer, written } = output;
  const [found, value] =
    from === 'exit_code'
      ? ([outcome.exit_code !== null, outcome.exit_code] as const)
      : await read(output, at ?? path.join(folder, from ?? 'stdout'), pointer);
  if (!found) return [false];
  const check = compileSchema(valueSchemaOf(written));
  const [problem] = Array.isArray(check) ? check : check(value);
  if (problem === undefined) return [true, value];
  throw new Unusable(`The output ${name} is not as declared: ${problem.detail.replace(/^this /, 'it ')}.`);
}

async function read(
  { name, written }: OutputDeclaration,
  file: string,
  pointer: string,
): Promise<[false] | [true, unknown]> {
  const size = fileSize(file);
  if (size === null) return [false];
  if (size > largestValue) {
    throw new Unusable(
      `The output ${name} cannot be read: there are ${count(size, 'byte')}, and 1 MiB is the most.`,
    );
  }
  const handle = await open(file, 'r');
  let text: string;
  try {
    text = await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
  // A text needs no quotes around it.
  if (written.type === 'string' && pointer === '') return [true, text.replace(/\r?\n$/, '')];
  if (text.trim() === '') return [false];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unusable(`The output ${name} cannot be read: what the program wrote is not JSON.`);
  }
  return pointer === '' ? [true, value] : atPointer(value, keysOf(pointer));
}
