import { inputPlace, outputPlace } from '../../domain/definitions/places.js';
import { releasePorts, takeFreePort, takePort } from '../processes/ports/free-port.js';
import type { Adapter } from './adapter.js';
import { chunkOf, taken } from './fed.js';

/**
 * Input and output over TCP: the program listens on a port of this machine, and we connect to it. Bytes are only ever
 * sent to the program and the processes that it started.
 */
export const portAdapter: Adapter = {
  input: {
    async prepare(context) {
      const { input } = context.definition;
      const place = inputPlace(context);
      if (input?.type !== 'port' || place.kind !== 'port') return { values: {}, stdin: null };
      const port = await portFor(place.port, context.folder);
      return {
        values: { input_port: String(port) },
        stdin: null,
        inlet: { kind: 'port', port, chunk: chunkOf(input) },
      };
    },
    clear: async ({ folder }) => releasePorts(folder),
  },
  output: {
    async prepare(context) {
      const place = outputPlace(context);
      if (place.kind !== 'port') return { values: {} };
      const port = await portFor(place.port, context.folder);
      return { values: { output_port: String(port) }, outlet: { kind: 'port', port } };
    },
    clear: async ({ folder }) => releasePorts(folder),
    finish: async (context) => taken(context),
  },
};

/** The port that the definition names, or a free one. */
async function portFor(wanted: string | null, folder: string): Promise<number> {
  if (wanted === null) return takeFreePort(folder);
  takePort(Number(wanted), folder);
  return Number(wanted);
}
