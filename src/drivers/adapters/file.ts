import { statSync } from 'node:fs';
import { link, lstat, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inputLocation, outputLocation } from '../../domain/definitions/command.js';
import type { ProcessDefinition } from '../../domain/definitions/process-definition.js';
import { PenstockError } from '../../lib/errors.js';
import { copyFile } from '../files/copy-file.js';
import { makeFolders } from '../files/make-folders.js';
import type {
  Adapter,
  AdapterContext,
  InputAdapter,
  OutputAdapter,
  PreparedInput,
  PreparedOutput,
} from './adapter.js';
import { chunkOf, makePipe, removePipe } from './fed.js';

/**
 * Input and output as files: the input is the STDIN stream or a path, the output the STDOUT or STDERR stream or a
 * path, in every combination. The program reads and writes the files themselves: no byte passes through us.
 * A definition without adapters gets its input, if there is one, on STDIN, and its STDOUT is its output.
 */
const input: InputAdapter = {
  async prepare(context) {
    const { definition, values, input: given } = context;
    if (context.feed !== null) return fedStdin(context);
    if (given === null) return { values: {}, stdin: null };
    const expected = inputLocation(definition, values) ?? { kind: 'stream', stream: 'STDIN' };
    if (expected.kind === 'stream') return { values: { input_file: given.file }, stdin: given.file };
    if (expected.kind === 'chosen') {
      return { values: { input_file: await ownInput(context, given) }, stdin: null };
    }
    await placeAt(context, given.file, expected.path);
    return { values: { input_file: expected.path }, stdin: null };
  },

  async clear(context) {
    const { definition, folder, values } = context;
    if (context.feed !== null) await removePipe(context, stdinPipe);
    const given = inputLocation(definition, values);
    // A second name of the input in a folder that is not the job's own would be in the next run's way.
    if (given?.kind === 'fixed' && isFile(noteOf(folder))) {
      await rm(given.path, { force: true });
      await rm(noteOf(folder), { force: true });
    }
  },
};

const output: OutputAdapter = {
  async prepare(context) {
    const { definition, values, folder } = context;
    const { file, written } = outputFile(context);
    if (context.feed !== null) return fedOutput(context, written);
    if (!written) return { values: {} };
    await makeFolders(path.join(folder, 'output'));
    const given = context.input === null ? null : inputLocation(definition, values);
    const isInput = given?.kind === 'fixed' && given.path === file;
    // What another run left at a fixed place must not be taken for this one's output.
    if (!file.startsWith(`${folder}/`) && !isInput) await rm(file, { force: true });
    return { values: { output_file: file } };
  },

  clear: async (context) => {
    if (context.feed !== null) await removePipe(context, outputPipe);
  },

  async finish(context) {
    const { folder, outputName } = context;
    const { file, written } = outputFile(context);
    if (!written) return { output: file };
    const kept = path.join(folder, 'output', outputName);
    if (kept !== file && isFile(file)) await move(file, kept);
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
  const pipe = await makePipe({ ...context, user: null }, stdinPipe);
  const chunk = chunkOf(wanted?.type === 'file' ? wanted : {});
  return { values: {}, stdin: pipe, inlet: { kind: 'pipe', path: pipe, chunk } };
}

/** The stream whose records are read from a program that is fed. */
async function fedOutput(context: AdapterContext, written: boolean): Promise<PreparedOutput> {
  if (written) throw notFed('output');
  const { output: wanted } = context.definition;
  const pipe = await makePipe({ ...context, user: null }, outputPipe);
  const isError = wanted?.type === 'file' && wanted.via === 'stream' && wanted.stream === 'STDERR';
  return { values: {}, [isError ? 'stderr' : 'stdout']: pipe, outlet: { kind: 'pipe', path: pipe } };
}

const notFed = (end: string) =>
  new PenstockError(
    'conflict',
    `a program whose ${end} is a file at a path cannot be fed message by message`,
  );

/** Where the output comes to be: the file behind a stream, or one that the program writes itself. */
function outputFile({ definition, values, folder, outputName }: AdapterContext): {
  file: string;
  written: boolean;
} {
  const wanted = outputLocation(definition, values);
  if (wanted?.kind === 'fixed') return { file: wanted.path, written: true };
  if (wanted?.kind === 'chosen') return { file: path.join(folder, 'output', outputName), written: true };
  return { file: path.join(folder, wanted?.stream === 'STDERR' ? 'stderr' : 'stdout'), written: false };
}

/** True if there may be another attempt, which needs the input as it was, whatever the program does to it: a copy. */
const runsAgain = ({ retries, service }: ProcessDefinition) => retries.limit > 0 || service !== null;

/** The input for a program that is given its path, by the name that it came with. */
async function ownInput(context: AdapterContext, input: { file: string; name: string }): Promise<string> {
  const own = path.join(context.folder, 'input', input.name);
  await place(input.file, own, runsAgain(context.definition));
  return own;
}

const taken = (target: string) =>
  new PenstockError('conflict', `the input's place ${target} is taken: there is a file already`);

const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true;

/** Where an attempt notes that it puts its input outside its own folder, before it does. */
const noteOf = (folder: string) => path.join(folder, 'placed');

/**
 * Puts the input at a fixed place. There may be what an attempt of the same job left there, which a crash of ours
 * kept from clearing up; its note tells it from a stranger's file.
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
  // Noted before it is done, but never of what is somebody else's already.
  if (isFile(target)) throw taken(target);
  await writeFile(noteOf(folder), target);
  try {
    await place(file, target, copy);
  } catch (error) {
    await rm(noteOf(folder), { force: true });
    throw error;
  }
}

/** Makes a folder that a definition names, where there is none. */
export async function makeNamedFolder(folder: string): Promise<void> {
  await makeFolders(folder).catch((error: NodeJS.ErrnoException) => {
    // What stands above it takes no folders, and will not at a second try either.
    if (error.code === 'ENOENT') throw new PenstockError('not-found', `the folder ${folder} cannot be made`);
    throw error;
  });
}

/** Puts the input where the program insists on having it: a second name of the same file, or a copy. */
async function place(file: string, target: string, copy: boolean): Promise<void> {
  await makeNamedFolder(path.dirname(target));
  try {
    if (copy) await copyFile(file, target, { exclusive: true });
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

/** Moves a file, also to another file system. Of a symbolic link it is the file that counts: links break on the way. */
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
