import path from 'node:path';
import { inputPlace, outputPlace, placeValues } from '../../domain/definitions/places.js';
import type { Adapter, AdapterContext } from './adapter.js';
import { fileAdapter } from './file.js';

/**
 * Input and output as files of a program on another machine: its input is sent there first, and its output is fetched
 * afterwards, to where a program on this machine would have left it.
 */
export const farFileAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { there, input } = context;
      if (input === null || there === null) return { values: {}, stdin: null };
      const place = inputPlace({ ...context, folder: there });
      if (place.kind !== 'file') return { values: {}, stdin: input.file };
      const send = [{ from: input.file, to: place.path }];
      return { values: placeValues('input', place), stdin: null, send };
    },
    clear: async () => {},
  },
  output: {
    async prepare(context) {
      const { there } = context;
      const place = outputPlace({ ...context, folder: there ?? '' });
      if (there === null || place.kind !== 'file') return { values: {} };
      return { values: placeValues('output', place), fetch: [{ from: place.path, to: keptHere(context) }] };
    },
    clear: async () => {},
    async finish(context) {
      if (outputPlace(context).kind === 'stream') return fileAdapter.output.finish(context);
      return fileAdapter.output.finish({ ...context, definition: { ...context.definition, output: chosen } });
    },
  },
};

/** Here it is kept as if we had chosen its path. */
const chosen = { type: 'file', via: 'path', path: '${output_file}' } as const;

/** Where the fetched output is kept. */
export const keptHere = ({ folder, outputName }: AdapterContext) => path.join(folder, 'output', outputName);
