import { releasePorts, takeFreePort, takePort } from '../processes/ports/free-port.js';
import type { Adapter } from './adapter.js';
import { chunkOf, taken } from './fed.js';

/**
 * Input and output over TCP: the program listens on a port of this machine, and we connect to it. Nobody but the
 * program, and what it started, is ever sent anything.
 */
export const portAdapter: Adapter = {
  input: {
    async prepare({ definition: { input }, folder }) {
      if (input?.type !== 'port') return { values: {}, stdin: null };
      const port = await portFor(input.port, folder);
      return {
        values: { input_port: String(port) },
        stdin: null,
        inlet: { kind: 'port', port, chunk: chunkOf(input) },
      };
    },
    clear: async ({ folder }) => releasePorts(folder),
  },
  output: {
    async prepare({ definition: { output }, values, folder }) {
      if (output?.type !== 'port') return { values: {} };
      const wanted = output.port === 'input' ? Number(values.input_port) : output.port;
      const port = await portFor(wanted, folder);
      return { values: { output_port: String(port) }, outlet: { kind: 'port', port } };
    },
    clear: async ({ folder }) => releasePorts(folder),
    finish: async (context) => taken(context),
  },
};

/** The port that the definition names, or a free one. */
async function portFor(wanted: number | null, folder: string): Promise<number> {
  if (wanted === null) return takeFreePort(folder);
  takePort(wanted, folder);
  return wanted;
}
