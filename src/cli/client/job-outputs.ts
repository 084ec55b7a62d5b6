import { mkdir } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { CliIo } from '../terminal/io.js';
import type { Client, Json } from './client.js';
import { CliError } from './failure.js';
import { toFile } from './output.js';

/** A file output as a job shows it; several are a list. */
const isFile = (value: unknown): boolean => {
  const [first] = [value].flat() as unknown[];
  return typeof first === 'object' && first !== null && 'name' in first && 'size' in first;
};

/** The declared outputs of a job; null if its definition declares none. */
const outputsOf = ({ outputs }: Json): Record<string, unknown> | null =>
  typeof outputs === 'object' ? (outputs as Record<string, unknown> | null) : null;

/** Which outputs go to which files: `NAME=FILE` names one, any other text is the file for the main output. */
export function wantedOutputs(
  job: Json,
  given: readonly string[],
): { name: string | undefined; file: string }[] {
  const outputs = outputsOf(job) ?? {};
  return given.map((text) => {
    const equals = text.indexOf('=');
    const name = equals < 0 ? undefined : text.slice(0, equals);
    return name !== undefined && Object.hasOwn(outputs, name)
      ? { name, file: text.slice(equals + 1) }
      : { name: undefined, file: text };
  });
}

/** Whether a job has a main output: only declared values are none. */
export function hasMainOutput(job: Json): boolean {
  const outputs = outputsOf(job);
  return outputs === null || Object.keys(outputs).length === 0 || Object.values(outputs).some(isFile);
}

/** The values that a job made, a line each. */
export function valueLines(job: Json): string[] {
  return Object.entries(outputsOf(job) ?? {})
    .filter(([, value]) => !isFile(value))
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`);
}

/** Writes all output files of a job into a folder, never outside of it. */
export async function toFolder(
  client: Client,
  job: Json,
  folder: string,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const objects = await client.whole(`/api/job/${job.uuid}/outputs/`);
  const files = objects.filter(({ uri }) => typeof uri === 'string');
  await mkdir(folder, { recursive: true });
  for (const { output, name, uri } of files) {
    const several = files.filter((other) => other.output === output).length > 1;
    const target = join(folder, several ? String(output) : '', String(name));
    if (!resolve(target).startsWith(resolve(folder) + sep)) {
      throw new CliError(
        `The output ${String(output)} has a name that leads out of the folder: ${String(name)}`,
      );
    }
    await mkdir(join(target, '..'), { recursive: true });
    await toFile(await client.ask('GET', client.pathOf(String(uri)), { signal }), target, io, signal);
  }
}
