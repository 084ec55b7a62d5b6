import { open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { appendLocation } from '../../domain/definitions/command.js';
import { fileKey } from '../../domain/feeder/feeder-plan.js';
import { PenstockError } from '../../lib/errors.js';
import { openToOthers } from '../processes/umask.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { chunkOf, refuseOthers, taken } from './fed.js';
import { makeNamedFolder } from './file.js';

/** Where the server chooses the file that the program appends to: a folder, in which it may rotate it. */
const grown = (folder: string) => path.join(folder, 'grown');

/**
 * Input that is appended to a file which the program follows, and output that is followed as the program appends it
 * to a file. What stands in a file at a fixed place stays: it is not ours to take away.
 */
export const appendAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { definition, values, folder, feed, input: given } = context;
      const { input } = definition;
      if (input?.type !== 'append') return { values: {}, stdin: null };
      const wanted = appendLocation(definition, values, 'input');
      const chosen = path.join(folder, 'input', input.fileName ?? given?.name ?? 'input');
      const file = wanted?.kind === 'fixed' ? wanted.path : chosen;
      await refuse(context, wanted?.kind !== 'fixed');
      await makeNamedFolder(path.dirname(file));
      await make(file);
      return {
        values: { input_file: file },
        stdin: null,
        inlet: {
          kind: 'append',
          path: file,
          chunk: chunkOf(input),
          // A service is there to wait for more.
          quiet: feed === null && definition.service === null ? input.quiet : null,
        },
      };
    },
    async clear() {},
  },
  output: {
    async prepare(context) {
      const { definition, values, folder, outputName } = context;
      const wanted = appendLocation(definition, values, 'output');
      const file = wanted?.kind === 'fixed' ? wanted.path : path.join(grown(folder), outputName);
      await refuse(context, wanted?.kind !== 'fixed');
      await makeNamedFolder(path.dirname(file));
      const before = await stat(file, { bigint: true }).catch(() => null);
      const from = before?.isFile() ? { key: fileKey(before), size: Number(before.size) } : null;
      return { values: { output_file: file }, outlet: { kind: 'append', path: file, from } };
    },
    // Both the file and what the program has made of it; the output is a file of its own.
    clear: ({ folder }) => rm(grown(folder), { recursive: true, force: true }),
    finish: async (context) => taken(context),
  },
};

async function refuse({ user }: AdapterContext, chosen: boolean): Promise<void> {
  if (user !== null && chosen) await refuseOthers(user, 'a file in a folder');
}

/** Makes a file where there is none. */
async function make(file: string): Promise<void> {
  const is = await stat(file).catch(() => null);
  // To open a named pipe would be to wait for its reader.
  if (is !== null && !is.isFile()) {
    throw new PenstockError('conflict', `${file} is no file that could be appended to`);
  }
  await (await open(file, 'a')).close();
  if (is === null) openToOthers(file, 0o666);
}
