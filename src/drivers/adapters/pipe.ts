import type { Adapter } from './adapter.js';
import { chunkOf, makePipe, removePipe, taken } from './fed.js';

const inputPipe = 'input.pipe';
const outputPipe = 'output.pipe';

/**
 * Input and output through named pipes, which the program opens like files, as often as it likes. It may never open
 * its end, too: nobody waits for that longer than the program runs.
 */
export const pipeAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { input } = context.definition;
      if (input?.type !== 'pipe') return { values: {}, stdin: null };
      const pipe = await makePipe(context, inputPipe);
      return {
        values: { input_pipe: pipe },
        stdin: null,
        inlet: { kind: 'pipe', path: pipe, chunk: chunkOf(input) },
      };
    },
    clear: (context) => removePipe(context, inputPipe),
  },
  output: {
    async prepare(context) {
      const pipe = await makePipe(context, outputPipe);
      return { values: { output_pipe: pipe }, outlet: { kind: 'pipe', path: pipe } };
    },
    clear: (context) => removePipe(context, outputPipe),
    finish: async (context) => taken(context),
  },
};
