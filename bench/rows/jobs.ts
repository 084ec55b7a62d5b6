import { startCelery } from '../peers/celery.js';
import { shellRate } from '../peers/shell.js';
import { measured } from '../support/figures.js';
import { load } from '../support/load.js';
import { type Penstock, withPenstock } from '../support/penstock.js';
import { atLeastTimes, type Context, type Figures, type Row } from '../support/row.js';
import { smallFiles, smallSize, text, trDefinition, withoutX } from '../support/work.js';

const clients = 8;
const work = `tr over ${smallSize / 1000} kB, submit to result, ${clients} clients`;
const rawOutput = '?wait=60&output=raw';

async function celeryRate(context: Context): Promise<number> {
  const celery = await startCelery(context);
  try {
    const { input } = smallFiles(context.folder('celery-input'));
    const { latencies, seconds } = await celery.measure(input, clients, context.seconds, 0);
    return latencies.length / seconds;
  } finally {
    await celery.stop();
  }
}

async function peer(context: Context): Promise<Figures> {
  const files = smallFiles(context.folder('shell-input'));
  return {
    celery: await measured(() => celeryRate(context)),
    xargs: await measured(() => shellRate(context, 'xargs', files, context.quick ? 500 : 4000)),
    parallel: await measured(() => shellRate(context, 'parallel', files, context.quick ? 150 : 1000)),
  };
}

/** Every client sends its own inputs, so that an answer that belongs to another job is noticed. */
async function checkOwnBytes(server: Penstock, path: string, jobs: number): Promise<void> {
  const http = server.connect(clients);
  let next = 0;
  async function one(): Promise<void> {
    for (let seed = ++next; seed <= jobs; seed = ++next) {
      const input = text(smallSize, seed * 7919);
      const answer = await http.send('POST', path, input, 'text/plain');
      if (answer.status !== 200) throw new Error(`Job ${seed}: ${answer.status} ${answer.body}`);
      if (!answer.body.equals(withoutX(input))) throw new Error(`Job ${seed} answered with other bytes.`);
    }
  }
  try {
    await Promise.all(Array.from({ length: clients }, one));
  } finally {
    http.close();
  }
}

async function ours(context: Context): Promise<Figures> {
  const folder = context.folder('jobs');
  const { input, expected } = smallFiles(folder);
  return withPenstock(folder, async (server) => {
    const path = (await server.register(trDefinition)) + rawOutput;
    await checkOwnBytes(server, path, context.quick ? 100 : 500);
    const { url, authorization } = server;
    const what = { url: url + path, authorization, method: 'POST', body: input, expected } as const;
    const { rate } = await load(context, what, clients, context.seconds);
    return { rate };
  });
}

/** Many small jobs, end to end: input sent, program run, every state and byte durable, output read. */
export const jobs: Row = {
  name: 'jobs',
  target: 'as fast as Celery, durable',
  lines: () => [
    {
      work,
      unit: 'jobs/s',
      peer: { name: 'Celery + Redis, 2 processes, nothing durable', figure: 'celery' },
      ours: 'rate',
      goal: atLeastTimes(1),
    },
    { work, unit: 'jobs/s', peer: { name: 'GNU parallel -j2', figure: 'parallel' }, ours: 'rate' },
    { work, unit: 'jobs/s', peer: { name: "xargs -P2 sh -c 'tr …'", figure: 'xargs' }, ours: 'rate' },
  ],
  peer,
  ours,
};
