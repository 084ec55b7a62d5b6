import path from 'node:path';
import { inputPlace, outputPlace, placeValues } from '../../domain/definitions/places.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { keptHere } from './far-file.js';
import { taken } from './fed.js';

/**
 * Input and output through named pipes on another machine: the input is first sent there as a file, and the output
 * stays in a file there until the program has ended, so that nothing depends on the connection while it runs.
 */
export const farPipeAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { there, input } = context;
      const place = inputPlace({ ...context, folder: there ?? '' });
      if (there === null || place.kind !== 'pipe') return { values: {}, stdin: null };
      const file = input === null ? '/dev/null' : path.posix.join(there, 'input', input.name);
      const send = input === null ? [] : [{ from: input.file, to: file }];
      return { values: placeValues('input', place), stdin: null, send, pipe: { file, pipe: place.path } };
    },
    clear: async () => {},
  },
  output: {
    async prepare(context) {
      const { there, outputName, definition } = context;
      const place = outputPlace({ ...context, folder: there ?? '' });
      if (there === null || place.kind !== 'pipe') return { values: {} };
      const file = path.posix.join(there, 'output', outputName);
      return {
        values: placeValues('output', place),
        pipe: { file, pipe: place.path, limit: definition.limits.outputSize },
        fetch: [{ from: file, to: keptHere(context) }],
      };
    },
    clear: async () => {},
    finish: async (context: AdapterContext) => taken(context),
  },
};
