import { inputPlace, outputPlace, type Place, placeValues } from '../../domain/definitions/places.js';
import type { Adapter } from './adapter.js';
import { chunkOf, makePipe, removePipe, taken } from './fed.js';

const clear = async (place: Place) => {
  if (place.kind === 'pipe') await removePipe(place.path);
};

/**
 * Input and output through named pipes, which the program opens like files, as often as it likes. It may also never
 * open its end: nobody waits for that longer than the program runs.
 */
export const pipeAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { input } = context.definition;
      const place = inputPlace(context);
      if (input?.type !== 'pipe' || place.kind !== 'pipe') return { values: {}, stdin: null };
      await makePipe(context, place.path);
      const inlet = { ...place, chunk: chunkOf(input) };
      return { values: placeValues('input', place), stdin: null, inlet };
    },
    clear: (context) => clear(inputPlace(context)),
  },
  output: {
    async prepare(context) {
      const place = outputPlace(context);
      if (place.kind !== 'pipe') return { values: {} };
      await makePipe(context, place.path);
      return { values: placeValues('output', place), outlet: place };
    },
    clear: (context) => clear(outputPlace(context)),
    finish: async (context) => taken(context),
  },
};
