import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { namedFiles } from '../../domain/definitions/command.js';
import type { PlaceholderValues } from '../../domain/definitions/placeholder.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import type { Job } from '../../domain/jobs/job.js';
import type { FilePath } from '../../drivers/adapters/adapter.js';
import { copyFile } from '../../drivers/files/copy-file.js';
import { PenstockError } from '../../lib/errors.js';
import { fileSize, type JobFiles, makeDurable } from '../../store/folder/job-files.js';
import { place } from '../pipelines/step-files.js';

type Attempt = { job: Job; definition: ProcessDefinition };

/**
 * Where an attempt's program finds its named inputs and leaves its named outputs, and which of them are copied to
 * another machine.
 */
export async function placeNamedFiles(
  files: JobFiles,
  { job, definition }: Attempt,
  there: string | null,
): Promise<{ values: PlaceholderValues; send: FilePath[]; fetch: FilePath[] }> {
  const { inputs, outputs } = namedFiles(definition);
  const folder = files.attempt(job.uuid, job.attempt);
  const named = { values: {} as PlaceholderValues, send: [] as FilePath[], fetch: [] as FilePath[] };
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
    else await place(given, own, definition.retries.limit > 0);
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

/** Makes a program's named outputs durable. @returns what is missing, as a sentence; null if nothing is */
export async function takeNamedFiles(files: JobFiles, { job, definition }: Attempt): Promise<string | null> {
  let missing: string | null = null;
  for (const name of namedFiles(definition).outputs) {
    const file = files.namedOutput(job.uuid, job.attempt, name);
    if (fileSize(file) === null) missing ??= `It succeeded, but there is no file at \${output_file.${name}}.`;
    else {
      if (lstatSync(file).isSymbolicLink()) await intoFile(file);
      await makeDurable(file);
    }
  }
  return missing;
}

/** Replaces a symbolic link by the file that it leads to: the file is what counts, and links break. */
async function intoFile(link: string): Promise<void> {
  const copy = `${link}.new`;
  await copyFile(link, copy);
  await rename(copy, link);
}
