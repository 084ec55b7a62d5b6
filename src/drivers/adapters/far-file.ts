import path from 'node:path';
import { type FileLocation, inputLocation, outputLocation } from '../../domain/definitions/command.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { fileAdapter } from './file.js';

/**
 * Input and output as files of a program that runs on another machine: what it reads is sent there before, and what it
 * writes is fetched afterwards, to where the program of this machine would have left it.
 */
export const farFileAdapter: Adapter = {
  input: {
    async prepare({ definition, values, there, input }) {
      if (input === null || there === null) return { values: {}, stdin: null };
      const expected = inputLocation(definition, values) ?? { kind: 'stream' };
      if (expected.kind === 'stream') return { values: {}, stdin: input.file };
      const to = expected.kind === 'fixed' ? expected.path : path.posix.join(there, 'input', input.name);
      return { values: { input_file: to }, stdin: null, send: [{ from: input.file, to }] };
    },
    clear: async () => {},
  },
  output: {
    async prepare(context) {
      const from = writtenThere(context, outputLocation(context.definition, context.values));
      if (from === null) return { values: {} };
      return { values: { output_file: from }, fetch: [{ from, to: keptHere(context) }] };
    },
    clear: async () => {},
    async finish(context) {
      const wanted = outputLocation(context.definition, context.values);
      if (wanted === null || wanted.kind === 'stream') return fileAdapter.output.finish(context);
      return fileAdapter.output.finish({ ...context, definition: { ...context.definition, output: chosen } });
    },
  },
};

/** Where we keep it, it is as if we had chosen its place. */
const chosen = { type: 'file', via: 'path', path: '${output_file}' } as const;

/** The file that the program writes itself, there; null where it is a stream. */
function writtenThere({ there, outputName }: AdapterContext, wanted: FileLocation | null): string | null {
  if (there === null || wanted === null || wanted.kind === 'stream') return null;
  return wanted.kind === 'fixed' ? wanted.path : path.posix.join(there, 'output', outputName);
}

/** Where what was fetched is kept. */
export const keptHere = ({ folder, outputName }: AdapterContext) => path.join(folder, 'output', outputName);
