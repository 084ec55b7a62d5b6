import path from 'node:path';
import type { Adapter, AdapterContext } from './adapter.js';
import { keptHere } from './far-file.js';
import { taken } from './fed.js';

/**
 * Input and output through named pipes of another machine: what goes in is sent there as a file before, and what comes
 * out is a file there until the program has ended, so that nothing depends on the connection while it runs.
 */
export const farPipeAdapter: Adapter = {
  input: {
    async prepare({ there, input }) {
      if (there === null) return { values: {}, stdin: null };
      const pipe = path.posix.join(there, 'input.pipe');
      const file = input === null ? '/dev/null' : path.posix.join(there, 'input', input.name);
      const send = input === null ? [] : [{ from: input.file, to: file }];
      return { values: { input_pipe: pipe }, stdin: null, send, pipe: { file, pipe } };
    },
    clear: async () => {},
  },
  output: {
    async prepare(context) {
      const { there, outputName, definition } = context;
      if (there === null) return { values: {} };
      const pipe = path.posix.join(there, 'output.pipe');
      const file = path.posix.join(there, 'output', outputName);
      return {
        values: { output_pipe: pipe },
        pipe: { file, pipe, limit: definition.limits.outputSize },
        fetch: [{ from: file, to: keptHere(context) }],
      };
    },
    clear: async () => {},
    finish: async (context: AdapterContext) => taken(context),
  },
};
