import { withPenstock } from '../support/penstock.js';
import { processorSeconds, residentMiB, tree } from '../support/proc.js';
import { type Context, type Figures, type Row, under } from '../support/row.js';
import { pause } from '../support/wait-for.js';

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0);

/** The server with all its processes: a helper's memory is not free. */
async function ours(context: Context): Promise<Figures> {
  return withPenstock(context.folder('idle'), async (server) => {
    // Let work that is left over from the start finish first.
    await pause(3_000);
    const seconds = context.quick ? 3 : 10;
    const processes = tree(server.pid);
    const before = sum(processes.map(processorSeconds));
    await pause(seconds * 1000);
    const used = sum(processes.map(processorSeconds)) - before;
    context.note(`idle: the figures are for ${processes.length} process(es) together.`);
    return { memory: sum(processes.map(residentMiB)), processor: (used / seconds) * 100 };
  });
}

/** The cost of a server that nobody uses. */
export const idle: Row = {
  name: 'idle',
  target: 'under 120 MiB, under 1 % of a processor',
  lines: () => [
    { work: 'idle server: resident memory', unit: 'MiB', ours: 'memory', goal: under(120, 'MiB') },
    { work: 'idle server: processor', unit: '%', ours: 'processor', goal: under(1, '%') },
  ],
  peer: async () => ({}),
  ours,
};
