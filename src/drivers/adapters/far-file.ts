import path from 'node:path';
import { type FilePlace, inputPlace, outputPlace } from '../../domain/definitions/command.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { fileAdapter } from './file.js';

/**
 * Input and output as files of a program that runs on another machine: what it reads is sent there before, and what it
 * writes is fetched afterwards, to where the program of this machine would have left it.
 */
export const farFileAdapter: Adapter = {
  input: {
    async prepare({ definition, places, there, input }) {
      if (input === null || there === null) return { places: {}, stdin: null };
      const expected = inputPlace(definition, places) ?? { kind: 'stream' };
      if (expected.kind === 'stream') return { places: {}, stdin: input.file };
      const to = expected.kind === 'fixed' ? expected.path : path.posix.join(there, 'input', input.name);
      return { places: { input_file: to }, stdin: null, send: [{ from: input.file, to }] };
    },
    clear: async () => {},
  },
  output: {
    async prepare(context) {
      const from = writtenThere(context, outputPlace(context.definition, context.places));
      if (from === null) return { places: {} };
      return { places: { output_file: from }, fetch: [{ from, to: keptHere(context) }] };
    },
    clear: async () => {},
    async finish(context) {
      const wanted = outputPlace(context.definition, context.places);
      if (wanted === null || wanted.kind === 'stream') return fileAdapter.output.finish(context);
      return fileAdapter.output.finish({ ...context, definition: { ...context.definition, output: chosen } });
    },
  },
};

/** Where we keep it, it is as if we had chosen its place. */
const chosen = { type: 'file', via: 'path', path: '${output_file}' } as const;

/** The file that the program writes itself, there; null where it is a stream. */
function writtenThere({ there, outputName }: AdapterContext, wanted: FilePlace | null): string | null {
  if (there === null || wanted === null || wanted.kind === 'stream') return null;
  return wanted.kind === 'fixed' ? wanted.path : path.posix.join(there, 'output', outputName);
}

/** Where what was fetched is kept. */
export const keptHere = ({ folder, outputName }: AdapterContext) => path.join(folder, 'output', outputName);
