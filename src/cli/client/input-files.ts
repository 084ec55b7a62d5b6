import { constants, type Stats } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { InputDeclaration } from '../../domain/inputs/declaration.js';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import { usageError } from './failure.js';
import { openFile, openInput } from './input.js';
import type { FilePart } from './payload.js';

/** The files that are sent for one input: one, all of a folder, or standard input (`-`). */
export async function filePartsOf(
  name: string,
  file: string,
  input: InputDeclaration | undefined,
  io: CliIo,
): Promise<FilePart[]> {
  if (file === '-') return [await stdinPart(name, io)];
  try {
    const stats = await stat(file);
    if (!stats.isDirectory()) return [await filePart(name, file, stats)];
    if (input?.kind === 'file') throw new Error(`it is a folder, and ${name} takes one file`);
    const entries = await readdir(file, { withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(file, entry.name));
    return await Promise.all(files.sort().map(async (each) => filePart(name, each, await stat(each))));
  } catch (error) {
    throw usageError(`Cannot read ${file} for the input ${name}: ${messageOf(error)}`);
  }
}

/** Standard input as the file of an input. Its size is a guess: part of it may have been read already. */
async function stdinPart(name: string, io: CliIo): Promise<FilePart> {
  const input = await openInput('-', io);
  return {
    name: partName(name),
    fileName: undefined,
    size: undefined,
    expected: input?.expected,
    open: async () => io.stdin,
    close: () => io.stdin.destroy(),
  };
}

/** A mistake must be told before anything is sent, so the file is looked at now and opened later. */
async function filePart(name: string, file: string, stats: Stats): Promise<FilePart> {
  await access(file, constants.R_OK);
  const size = stats.isFile() ? stats.size : undefined;
  let open: Readable | undefined;
  return {
    name: partName(name),
    fileName: basename(file),
    size,
    expected: size,
    async open() {
      open = (await openFile(file, size)).stream;
      return open;
    },
    close: () => open?.destroy(),
  };
}

/** With this prefix the server takes a wrong name for that of an input, and tells it with all other mistakes. */
export const partName = (name: string): string => `inputs.${name}`;
