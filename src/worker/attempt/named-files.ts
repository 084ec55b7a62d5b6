import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { type InputTexts, namedFiles } from '../../domain/definitions/command.js';
import type { PlaceholderValues } from '../../domain/definitions/placeholder.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { filesOf, inputTexts } from '../../domain/inputs/input-texts.js';
import { outputPlaces } from '../../domain/inputs/output-places.js';
import type { Job } from '../../domain/jobs/job.js';
import type { AdapterContext, FilePath } from '../../drivers/adapters/adapter.js';
import { copyFile } from '../../drivers/files/copy-file.js';
import { isShared } from '../../drivers/files/is-shared.js';
import { PenstockError } from '../../lib/errors.js';
import { fileSize, type JobFiles, makeDurable } from '../../store/folder/job-files.js';
import { place } from '../pipelines/step-files.js';

type Attempt = { job: Job; definition: ProcessDefinition; setting: AdapterContext };

/** What a program's command says of its inputs and outputs, and what goes to another machine and comes back. */
interface Placed {
  values: PlaceholderValues;
  texts: InputTexts;
  send: FilePath[];
  fetch: FilePath[];
  /** Folders to make in the attempt's folder on the other machine. */
  folders: string[];
}

/** Where an attempt's program finds its inputs and leaves its outputs, apart from those of its adapters. */
export async function placeNamedFiles(files: JobFiles, run: Attempt, there: string | null): Promise<Placed> {
  const named = await placeOlder(files, run, there);
  await placeDeclaredInputs(files, run, there, named);
  placeDeclaredOutputs(files, run, there, named);
  return named;
}

/** What the placeholders `${input_file.NAME}` and `${output_file.NAME}` stand for. */
async function placeOlder(
  files: JobFiles,
  { job, definition }: Attempt,
  there: string | null,
): Promise<Placed> {
  const { inputs, outputs } = namedFiles(definition);
  const folder = files.attempt(job.uuid, job.attempt);
  const named: Placed = { values: {}, texts: new Map(), send: [], fetch: [], folders: [] };
  if (inputs.length > 0 && there === null) mkdirSync(path.join(folder, 'inputs'), { mode: 0o700 });
  for (const name of inputs) {
    const given = files.namedInput(job.uuid, name);
    if (!existsSync(given)) {
      throw new PenstockError(
        'not-found',
        `the program reads \${input_file.${name}}, but there is no such input`,
      );
    }
    const own = path.join(there ?? folder, 'inputs', name);
    if (there !== null) named.send.push({ from: given, to: own });
    // A copy if a retry may need it unchanged, whatever the program does to it.
    else await place(given, own, mayRunAgain(definition));
    named.values[`input_file.${name}`] = own;
  }
  if (outputs.length > 0) mkdirSync(path.join(folder, 'outputs'), { mode: 0o700 });
  for (const name of outputs) {
    const own = path.join(there ?? folder, 'outputs', name);
    if (there !== null) named.fetch.push({ from: own, to: files.namedOutput(job.uuid, job.attempt, name) });
    named.values[`output_file.${name}`] = own;
  }
  return named;
}

const mayRunAgain = ({ retries, service }: ProcessDefinition) => retries.limit > 0 || service !== null;

async function placeDeclaredInputs(
  files: JobFiles,
  { job, definition }: Attempt,
  there: string | null,
  named: Placed,
): Promise<void> {
  const { inputs, mainInput } = definition;
  if (inputs === null) return;
  const folder = files.attempt(job.uuid, job.attempt);
  const stored = job.request.inputs ?? {};
  for (const input of inputs) {
    if (input.kind === 'value' || input.name === mainInput) continue;
    for (const [index, { path: below }] of filesOf(input, stored).entries()) {
      const from =
        input.kind === 'file'
          ? files.namedInput(job.uuid, input.name)
          : files.inputFile(job.uuid, input.name, index);
      const to = path.join(there ?? folder, below);
      if (there !== null) {
        named.send.push({ from, to });
        continue;
      }
      mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
      await place(from, to, mayRunAgain(definition) || (await isShared(from)));
    }
  }
  const { texts, values } = inputTexts(inputs, stored, files.secrets(job.uuid), mainInput, there ?? folder);
  named.texts = texts;
  Object.assign(named.values, values);
}

function placeDeclaredOutputs(
  files: JobFiles,
  { job, definition, setting }: Attempt,
  there: string | null,
  named: Placed,
): void {
  const folder = files.attempt(job.uuid, job.attempt);
  const root = there ?? folder;
  for (const { placeholder, at, chosen, output } of outputPlaces(definition, setting.values, root)) {
    const below = path.relative(root, at);
    if (chosen) {
      named.values[placeholder] = at;
      const own = output.kind === 'folder' ? below : path.dirname(below);
      mkdirSync(path.join(folder, own), { recursive: true, mode: 0o700 });
      named.folders.push(own);
    }
    if (there !== null) named.fetch.push({ from: at, to: path.join(folder, below) });
  }
}

/** Makes a program's named outputs durable. @returns what is missing, as a sentence; null if nothing is */
export async function takeNamedFiles(
  files: JobFiles,
  { job, definition }: Pick<Attempt, 'job' | 'definition'>,
): Promise<string | null> {
  let missing: string | null = null;
  for (const name of namedFiles(definition).outputs) {
    const file = files.namedOutput(job.uuid, job.attempt, name);
    if (fileSize(file) === null) missing ??= `It succeeded, but there is no file at \${output_file.${name}}.`;
    else await keepFile(file);
  }
  return missing;
}

/** Makes a file durable; a symbolic link becomes the file that it leads to, because that is what counts, and links break. */
export async function keepFile(file: string): Promise<void> {
  if (lstatSync(file).isSymbolicLink()) {
    const copy = `${file}.new`;
    await copyFile(file, copy);
    await rename(copy, file);
  }
  await makeDurable(file);
}
