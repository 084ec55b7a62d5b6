import { statSync } from 'node:fs';
import { link, lstat, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inputPlace, outputPlace, type Place, placeValues } from '../../domain/definitions/places.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { PenstockError } from '../../lib/errors.js';
import { copyFile } from '../files/copy-file.js';
import { isShared } from '../files/is-shared.js';
import { makeFolders } from '../files/make-folders.js';
import { makePipes } from '../processes/pipes.js';
import type {
  Adapter,
  AdapterContext,
  InputAdapter,
  OutputAdapter,
  PreparedInput,
  PreparedOutput,
} from './adapter.js';
import { chunkOf, removePipe } from './fed.js';

/**
 * Input and output as files: the input is the STDIN stream or a path, the output the STDOUT or STDERR stream or a
 * path, in every combination. The program reads and writes the files themselves: no byte passes through us.
 * A definition without adapters gets its input, if there is one, on STDIN, and its STDOUT is its output.
 */
const input: InputAdapter = {
  async prepare(context) {
    const { definition, input: given } = context;
    if (context.feed !== null) return fedStdin(context);
    if (given === null) return { values: {}, stdin: null };
    const wanted = inputPlace(context);
    if (wanted.kind !== 'file') return { values: {}, stdin: given.file };
    if (wanted.chosen) await place(given.file, wanted.path, runsAgain(definition));
    else await placeAt(context, given.file, wanted.path);
    return { values: placeValues('input', wanted), stdin: null };
  },

  async clear(context) {
    const { folder } = context;
    if (context.feed !== null) await removePipe(path.join(folder, stdinPipe));
    const given = inputPlace(context);
    // A hard link to the input outside the job's folder would block the next run.
    if (given.kind === 'file' && !given.chosen && isFile(noteOf(folder))) {
      await rm(given.path, { force: true });
      await rm(noteOf(folder), { force: true });
    }
  },
};

const output: OutputAdapter = {
  async prepare(context) {
    const { folder } = context;
    const wanted = outputPlace(context);
    if (context.feed !== null) return fedOutput(context, wanted);
    if (wanted.kind !== 'file') return { values: {} };
    await makeFolders(path.join(folder, 'output'));
    const given = context.input === null ? null : inputPlace(context);
    const isInput = given?.kind === 'file' && given.path === wanted.path;
    // A file that another run left at a fixed path must not count as this one's output.
    if (!wanted.path.startsWith(`${folder}/`) && !isInput) await rm(wanted.path, { force: true });
    return { values: placeValues('output', wanted) };
  },

  clear: async (context) => {
    if (context.feed !== null) await removePipe(path.join(context.folder, outputPipe));
  },

  async finish(context) {
    const { folder, outputName } = context;
    const wanted = outputPlace(context);
    if (wanted.kind !== 'file') return { output: path.join(folder, isError(wanted) ? 'stderr' : 'stdout') };
    const kept = path.join(folder, 'output', outputName);
    if (kept !== wanted.path && isFile(wanted.path)) await move(wanted.path, kept);
    return { output: isFile(kept) ? kept : null };
  },
};

export const fileAdapter: Adapter = { input, output };

const stdinPipe = 'stdin.pipe';
const outputPipe = 'stdout.pipe';

/** The standard input of a program that is fed message by message. */
async function fedStdin(context: AdapterContext): Promise<PreparedInput> {
  const { input: wanted } = context.definition;
  if (wanted?.type === 'file' && wanted.via === 'path') throw notFed('input');
  const pipe = path.join(context.folder, stdinPipe);
  await makePipes([pipe]);
  const chunk = chunkOf(wanted?.type === 'file' ? wanted : {});
  return { values: {}, stdin: pipe, inlet: { kind: 'pipe', path: pipe, chunk } };
}

/** The stream from which a fed program's records are read. */
async function fedOutput({ folder }: AdapterContext, wanted: Place): Promise<PreparedOutput> {
  if (wanted.kind === 'file') throw notFed('output');
  const pipe = path.join(folder, outputPipe);
  await makePipes([pipe]);
  return { values: {}, [isError(wanted) ? 'stderr' : 'stdout']: pipe, outlet: { kind: 'pipe', path: pipe } };
}

const isError = (place: Place) => place.kind === 'stream' && place.stream === 'STDERR';

const notFed = (end: string) =>
  new PenstockError(
    'conflict',
    `a program whose ${end} is a file at a path cannot be fed message by message`,
  );

/** True if there may be another attempt, which needs the original input: then the program gets a copy. */
const runsAgain = ({ retries, service }: ProcessDefinition) => retries.limit > 0 || service !== null;

const taken = (target: string) =>
  new PenstockError('conflict', `the input cannot be put at ${target}: there is already a file`);

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true;

/** The note that an attempt writes before it puts its input outside its own folder. */
const noteOf = (folder: string) => path.join(folder, 'placed');

/**
 * Puts the input at a fixed path. After a crash there may still be the input of an earlier attempt of the same job; its
 * note distinguishes it from somebody else's file.
 */
async function placeAt({ folder, definition }: AdapterContext, file: string, target: string): Promise<void> {
  const copy = runsAgain(definition);
  if (target.startsWith(`${folder}/`)) return place(file, target, copy);
  for (const attempt of await readdir(path.dirname(folder))) {
    if (!/^\d+$/.test(attempt)) continue;
    const note = noteOf(path.join(path.dirname(folder), attempt));
    if (!isFile(note)) continue;
    await rm(target, { force: true });
    await rm(note);
  }
  // The note comes first, but never for a file that is somebody else's.
  if (isFile(target)) throw taken(target);
  await writeFile(noteOf(folder), target);
  try {
    await place(file, target, copy);
  } catch (error) {
    await rm(noteOf(folder), { force: true });
    throw error;
  }
}

/** Creates a folder that a definition names, if it does not exist. */
export async function makeNamedFolder(folder: string): Promise<void> {
  await makeFolders(folder).catch((error: NodeJS.ErrnoException) => {
    // A folder cannot be created in its parent, and a retry would not help.
    if (error.code === 'ENOENT') throw new PenstockError('not-found', `the folder ${folder} cannot be made`);
    throw error;
  });
}

/** Puts the input where the program insists on having it: as a hard link or a copy. */
async function place(file: string, target: string, copy: boolean): Promise<void> {
  await makeNamedFolder(path.dirname(target));
  try {
    if (copy || (await isShared(file))) await copyFile(file, target, { exclusive: true });
    else await link(file, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      throw taken(target);
    }
    if (code !== 'EXDEV' && code !== 'EPERM') throw error;
    await copyFile(file, target, { exclusive: true });
  }
}

/** Moves a file, even to another file system. A symbolic link is replaced by its file: links break when moved. */
async function move(from: string, to: string): Promise<void> {
  try {
    if ((await lstat(from)).isSymbolicLink()) {
      await copyFile(from, to);
      await rm(from);
    } else await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(from, to);
    await rm(from);
  }
}
