import type { OutputDeclaration } from '../../../domain/inputs/output-declaration.js';
import { textOf } from '../../../domain/inputs/value-text.js';
import { nearest } from '../../../lib/nearest.js';
import type { Client, Json } from '../../client/client.js';
import { usageError } from '../../client/failure.js';
import { toFile, toStdout } from '../../client/output.js';
import { saveOutputs } from '../../client/save-outputs.js';
import { type CliIo, harmless, tell } from '../../terminal/io.js';

/** Where an output goes. Without a name it is the main one. */
interface Target {
  name: string | undefined;
  /** `-` is standard output. */
  file: string;
}

/** Reads `-o FILE` and `-o NAME=FILE`. Only a declared output makes `NAME=` more than a part of a file's name. */
export function readTargets(
  given: readonly string[],
  outputs: readonly OutputDeclaration[] | null,
): Target[] {
  const targets = given.map((word): Target => {
    const [, name, file = ''] = /^([A-Za-z_][A-Za-z0-9_-]*)=(.*)$/s.exec(word) ?? [];
    if (outputs === null || name === undefined) return { name: undefined, file: word };
    const output = outputs.find((one) => one.name === name);
    if (output === undefined) throw noOutput(name, word, outputs);
    if (output.kind === 'value') {
      throw usageError(
        `The output ${name} is a value. It is printed on standard error; leave out -o ${name}=…`,
      );
    }
    if (output.kind !== 'file') {
      throw usageError(`The output ${name} is several files.`, 'To save them in a folder: --outputs DIR');
    }
    if (file === '') throw usageError(`-o ${name}= needs the name of a file.`);
    return { name, file };
  });
  const twice = targets.find(({ name }, index) => targets.findIndex((one) => one.name === name) < index);
  if (twice === undefined) return targets;
  throw usageError(
    twice.name === undefined ? 'Only one -o FILE can take the output.' : `-o ${twice.name}=… is given twice.`,
    ...(outputs === null ? [] : ['For another output: -o NAME=FILE']),
  );
}

/** Writes the outputs of a job where they are wanted: by default the main one to standard output. */
export async function deliver(
  client: Client,
  job: Json,
  wanted: {
    targets: readonly Target[];
    folder: string | undefined;
    json: boolean;
    outputs: OutputDeclaration[] | null;
  },
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const { targets, folder, json, outputs } = wanted;
  if (folder !== undefined) await saveOutputs(client, String(job.uuid), folder, outputs, io, signal);
  // With --json the job itself goes to standard output.
  const none = json || folder !== undefined || (outputs !== null && job.output_size === null);
  const toSend = targets.length > 0 || none ? targets : [{ name: undefined, file: '-' }];
  for (const { name, file } of toSend) {
    const answer = await client.ask('GET', `/api/job/${job.uuid}/output/`, { query: { name }, signal });
    if (file === '-')
      await toStdout(answer, io, { signal, binary: `penstock job output ${job.uuid} -o FILE` });
    else await toFile(answer, file, io, signal);
  }
}

/** Prints the values that a program made, where they cannot be mistaken for its output. */
export function tellValues(job: Json, outputs: readonly OutputDeclaration[] | null, io: CliIo): void {
  if (typeof job.outputs !== 'object' || job.outputs === null) return;
  for (const [name, value] of Object.entries(job.outputs)) {
    const kind = outputs?.find((output) => output.name === name)?.kind;
    const isValue = kind === undefined ? !isFile([value].flat()[0]) : kind === 'value';
    if (isValue) tell(io, harmless(`${name}: ${textOf(value)}`));
  }
}

function isFile(value: unknown): boolean {
  const { name, size } = (value ?? {}) as { name?: unknown; size?: unknown };
  return typeof name === 'string' && typeof size === 'number';
}

function noOutput(name: string, word: string, outputs: readonly OutputDeclaration[]) {
  const names = outputs.map((output) => output.name);
  const near = nearest(name, names);
  return usageError(
    `There is no output ${name}. ${near === undefined ? `The outputs: ${names.join(', ')}` : `Did you mean ${near}?`}`,
    `If it is the name of a file: -o ./${word}`,
  );
}
