import { lstat, mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutputDeclaration } from '../../domain/inputs/output-declaration.js';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import type { Client, Json } from './client.js';
import { CliError } from './failure.js';
import { toFile } from './output.js';

/**
 * Saves every file that a job made. A single file gets its own name; several of one output, or two outputs whose files
 * have one name, go into a folder that is called as the output.
 *
 * @param folder created if it is not there; nothing is written outside of it
 */
export async function saveOutputs(
  client: Client,
  uuid: string,
  folder: string,
  declared: readonly OutputDeclaration[] | null,
  io: CliIo,
  signal: AbortSignal,
): Promise<void> {
  const objects = await client.whole(`/api/job/${uuid}/outputs/`);
  // Values have no address: the job shows them.
  const files = objects.filter(({ uri }) => typeof uri === 'string');
  const base = await made(folder);
  for (const file of files) {
    const target = await placeIn(base, partsOf(file, files, declared));
    const answer = await client.ask('GET', client.pathOf(String(file.uri)), {
      headers: { Accept: '*/*' },
      signal,
    });
    await toFile(answer, target, io, signal);
  }
}

/** The path of a file below the folder, part by part. */
function partsOf(
  file: Json,
  files: readonly Json[],
  declared: readonly OutputDeclaration[] | null,
): string[] {
  const { output, name } = file;
  const kind = declared?.find((one) => one.name === output)?.kind;
  const own =
    kind === 'files' ||
    kind === 'folder' ||
    files.some((other) => other !== file && (other.output === output || other.name === name));
  const parts = [...(own ? [String(output)] : []), ...String(name).split('/')];
  const unsafe = parts.some((part) => /^\.{0,2}$|[\0\\]/.test(part));
  if (!unsafe) return parts;
  throw new CliError(
    `The server calls a file ${JSON.stringify(name)}, which is no plain name. Nothing is written.`,
    {
      hints: ['Fetch it under another name: penstock job output UUID -o FILE'],
    },
  );
}

/** Makes the folders for a file, and gives its path. No link may lead out of the folder. */
async function placeIn(base: string, parts: readonly string[]): Promise<string> {
  let place = base;
  for (const [index, part] of parts.entries()) {
    place = join(place, part);
    const stats = await lstat(place).catch(() => undefined);
    if (stats?.isSymbolicLink()) {
      throw new CliError(`Cannot write to ${place}: it is a symbolic link.`, {
        hints: ['Remove the link, or choose an empty folder.'],
      });
    }
    if (stats === undefined && index < parts.length - 1) await made(place);
  }
  return place;
}

/** Creates a folder if it is not there, and gives its real path. */
async function made(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    return await realpath(folder);
  } catch (error) {
    throw new CliError(`Cannot create the folder ${folder}: ${messageOf(error)}`, { cause: error });
  }
}
