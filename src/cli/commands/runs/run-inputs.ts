import { once } from 'node:events';
import type { InputDeclaration } from '../../../domain/inputs/declaration.js';
import type { RunDocument } from '../../../lib/generated/run-request.js';
import { usageError } from '../../client/failure.js';
import { statOf } from '../../client/input.js';
import { filePartsOf, partName } from '../../client/input-files.js';
import { type FilePart, formPayload, type Payload } from '../../client/payload.js';
import type { CliIo } from '../../terminal/io.js';
import type { GivenInput } from './given-inputs.js';

/**
 * The body of a run of a definition that declares inputs; undefined if the request alone is enough.
 *
 * @param file that of --input; false for --no-input
 */
export async function inputsPayload(
  request: RunDocument,
  given: readonly GivenInput[],
  inputs: readonly InputDeclaration[],
  file: string | false | undefined,
  io: CliIo,
): Promise<Payload | undefined> {
  try {
    return await payloadOf(request, await withMain(given, inputs, file, io), inputs, io);
  } catch (error) {
    // It may have been looked at, and would keep the process alive.
    io.stdin.destroy();
    throw error;
  }
}

async function payloadOf(
  request: RunDocument,
  given: readonly GivenInput[],
  inputs: readonly InputDeclaration[],
  io: CliIo,
): Promise<Payload | undefined> {
  const fields: [string, string][] = [];
  const files: FilePart[] = [];
  /** Inputs of several files that got none: a form has no way to say so. */
  const none = new Set<string>();
  for (const one of given) {
    if ('text' in one) fields.push([partName(one.name), one.text]);
    else {
      const declared = inputs.find(({ name }) => name === one.name);
      const parts = await filePartsOf(one.name, one.file, declared, io);
      files.push(...parts);
      if (parts.length === 0) none.add(one.name);
    }
  }
  const sent = new Set(files.map(({ name }) => name));
  const empty = [...none].filter((name) => !sent.has(partName(name)));
  const job: RunDocument =
    empty.length === 0
      ? request
      : { ...request, inputs: Object.fromEntries(empty.map((name) => [name, []])) };
  return fields.length + files.length + empty.length === 0 ? undefined : formPayload(job, fields, files);
}

/** What was given, and the file of --input or standard input, for the input that takes it. */
async function withMain(
  given: readonly GivenInput[],
  inputs: readonly InputDeclaration[],
  file: string | false | undefined,
  io: CliIo,
): Promise<GivenInput[]> {
  const stdins = given.filter((one) => 'file' in one && one.file === '-');
  if (stdins.length + (file === '-' ? 1 : 0) > 1) {
    throw usageError('Standard input can be only one file: @- is given twice.');
  }
  if (file === false) return [...given];
  const target = mainTarget(given, inputs);
  if (file !== undefined) {
    if (target === undefined) throw noTarget(given, inputs);
    return [...given, { name: target.name, file }];
  }
  if (target === undefined || stdins.length > 0 || !(await isFed(target, io))) return [...given];
  return [...given, { name: target.name, file: '-' }];
}

/** The input that standard input feeds: the one marked so, or the only file that is not given. */
function mainTarget(
  given: readonly GivenInput[],
  inputs: readonly InputDeclaration[],
): InputDeclaration | undefined {
  const open = inputs.filter(
    (input) => input.kind === 'file' && !given.some(({ name }) => name === input.name),
  );
  return open.find(({ stdin }) => stdin) ?? (open.length === 1 ? open[0] : undefined);
}

/** Whether standard input has something for an input: not a terminal, and not /dev/null. */
async function isFed(target: InputDeclaration, io: CliIo): Promise<boolean> {
  if (io.stdin.isTTY === true) return false;
  const stats = statOf(io.stdin.fd);
  if (stats !== undefined && !stats.isFIFO() && !stats.isFile() && !stats.isSocket()) return false;
  if (target.required) return true;
  // An input that may be absent is not an empty file whenever a script has an empty standard input.
  await once(io.stdin, 'readable');
  const beginning: unknown = io.stdin.read();
  if (beginning === null) return false;
  io.stdin.unshift(beginning);
  return true;
}

function noTarget(given: readonly GivenInput[], inputs: readonly InputDeclaration[]) {
  const files = inputs.filter(({ kind }) => kind === 'file').map(({ name }) => name);
  const [only] = files;
  if (only === undefined) return usageError('--input FILE: this takes no file. Leave it out.');
  if (files.every((name) => given.some((one) => one.name === name))) {
    return usageError(`--input FILE: ${files.join(', ')} is given already. Leave out one of the two.`);
  }
  return usageError(
    `--input FILE: this takes several files: ${files.join(', ')}.`,
    `Say which one it is: ${only}=@FILE`,
  );
}
