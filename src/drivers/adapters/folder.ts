import { type FileHandle, lstat, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inputPlace, outputPlace } from '../../domain/definitions/places.js';
import { escapedNote } from '../../domain/shown-name.js';
import { PenstockError } from '../../lib/errors.js';
import { NotPlain, plainFiles, putFiles } from '../files/folder-files.js';
import { inside, openFolder } from '../files/folders.js';
import { makeFolders } from '../files/make-folders.js';
import type { Adapter, InputAdapter, OutputAdapter } from './adapter.js';
import { makeNamedFolder } from './file.js';
import { type Before, documentPieces, keyOf, readDocument, stampOf } from './folder-document.js';

/** Input and output as the files of a folder; in a job each is one JSON document, of name and content. */
const input: InputAdapter = {
  async prepare(context) {
    const { input: given } = context;
    const from = inputPlace(context);
    if (from.kind !== 'folder') return { values: {}, stdin: null };
    const files = given === null ? new Map<string, string | Buffer>() : await readDocument(given.file);
    await make(from.path);
    await within(from.path, (open) => putFiles(open, files));
    return { values: {}, stdin: null };
  },

  // Files left in a folder disturb nobody: the next run moves them aside.
  async clear() {},
};

const output: OutputAdapter = {
  // Called after the input was put there, so that in a shared folder the input does not count as output.
  async prepare(context) {
    const to = outputPlace(context);
    if (to.kind !== 'folder') return { values: {} };
    await make(to.path);
    await within(to.path, (open) => note(open, noteOf(context.folder)));
    return { values: {} };
  },

  async clear() {},

  async finish(context) {
    const { definition, folder, outputName } = context;
    const { output: wanted } = definition;
    const to = outputPlace(context);
    if (wanted?.type !== 'folder' || to.kind !== 'folder') return { output: null };
    const before: Before = new Map(JSON.parse(await readFile(noteOf(folder), 'utf8')));
    const kept = path.join(folder, 'output', outputName);
    await makeFolders(path.dirname(kept));
    await rm(kept, { force: true });
    const escaped: string[] = [];
    try {
      await within(to.path, async (open) => {
        const tell = (name: string) => escaped.push(name);
        const document = documentPieces(open, to.path, wanted.fileNames, before, tell);
        await writeFile(kept, upTo(definition.limits.outputSize, document), { flag: 'wx' });
      });
    } catch (error) {
      await rm(kept, { force: true });
      throw error;
    }
    return { output: kept, note: escapedNote(escaped, 'the output folder') };
  },
};

export const folderAdapter: Adapter = { input, output };

/** Creates a folder if it does not exist. Anything else at its path is reported when it is opened. */
async function make(folder: string): Promise<void> {
  await makeNamedFolder(folder).catch((error: NodeJS.ErrnoException) => {
    if (!['EEXIST', 'ENOTDIR'].includes(error.code ?? '')) throw error;
  });
}

/** Works in a folder even if its path comes to mean something else. Errors name it by that path. */
async function within<T>(where: string, work: (folder: FileHandle) => Promise<T>): Promise<T> {
  const folder = await openFolder(where).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new PenstockError('not-found', `there is no folder ${where}`);
    if (error.code !== 'ENOTDIR' && error.code !== 'ELOOP') throw error;
    const isLink = await lstat(where).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    const what = isLink ? 'a symbolic link, which is not followed' : 'not a folder';
    throw new PenstockError('conflict', `${where} is ${what}`);
  });
  try {
    return await work(folder);
  } catch (error) {
    if (error instanceof NotPlain) {
      const why = error.kind === 'a symbolic link' ? 'which is not followed' : 'not a plain file';
      throw new PenstockError('conflict', `${error.file} in ${where} is ${error.kind}, ${why}`);
    }
    if (error instanceof Error) error.message = error.message.replaceAll(inside(folder).toString(), where);
    throw error;
  } finally {
    await folder.close();
  }
}

/** The note of what was in an attempt's output folder before the run. */
const noteOf = (folder: string) => path.join(folder, 'before');

/** The kernel's clock for files moves in steps of up to 10 ms; ctimes that far apart are certain to differ. */
const clockStep = 20;

async function note(folder: FileHandle, file: string): Promise<void> {
  const before: [string, string][] = [];
  let newest = 0n;
  for await (const found of plainFiles(folder)) {
    before.push([keyOf(found), stampOf(found)]);
    if (found.ctimeNs > newest) newest = found.ctimeNs;
  }
  await writeFile(file, JSON.stringify(before));
  // A file written twice within one step would look unchanged. If the clock was set back, there is no waiting.
  const age = Date.now() - Number(newest / 1_000_000n);
  if (age < clockStep) await delay(Math.min(clockStep, clockStep - age));
}

/** Ends one piece beyond a limit: enough to show that the limit is exceeded. */
async function* upTo(limit: number | null, pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let size = 0;
  for await (const piece of pieces) {
    yield piece;
    size += Buffer.byteLength(piece);
    if (limit !== null && size > limit) return;
  }
}
