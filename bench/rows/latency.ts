import { startCelery } from '../peers/celery.js';
import { withPenstock } from '../support/penstock.js';
import { atMostTimes, type Context, type Figures, type Row, under } from '../support/row.js';
import { percentile } from '../support/stats.js';
import { pause } from '../support/wait-for.js';
import { smallFiles, smallSize, text, trDefinition, withoutX } from '../support/work.js';

/** Pause between two jobs, so that the server is idle when the next one arrives. */
const pauseMs = 5;
const warmUp = 30;

const figures = (latencies: number[]): Figures => ({
  p50: percentile(latencies, 0.5),
  p99: percentile(latencies, 0.99),
});

async function peer(context: Context): Promise<Figures> {
  const celery = await startCelery(context);
  try {
    const { input } = smallFiles(context.folder('latency-input'));
    await celery.measure(input, 1, 1, pauseMs / 1000);
    return figures((await celery.measure(input, 1, context.seconds, pauseMs / 1000)).latencies);
  } finally {
    await celery.stop();
  }
}

async function ours(context: Context): Promise<Figures> {
  return withPenstock(context.folder('latency'), async (server) => {
    const path = `${await server.register(trDefinition)}?wait=60&output=raw`;
    const input = text(smallSize);
    const expected = withoutX(input);
    const latencies: number[] = [];
    let end = Number.POSITIVE_INFINITY;
    for (let i = 0; performance.now() < end; i++) {
      if (i === warmUp) end = performance.now() + context.seconds * 1000;
      const before = performance.now();
      const answer = await server.client.send('POST', path, input, 'text/plain');
      if (i >= warmUp) latencies.push(performance.now() - before);
      if (!answer.body.equals(expected)) throw new Error(`A wrong answer: ${answer.status}`);
      await pause(pauseMs);
    }
    return figures(latencies);
  });
}

const work = `one job on an idle server, tr over ${smallSize / 1000} kB, submit to result`;
const celery = 'Celery + Redis, nothing durable';

/** How long one user waits for one small job. */
export const latency: Row = {
  name: 'latency',
  target: 'p50 at most twice that of Celery, p99 under 20 ms',
  lines: () => [
    {
      work: `${work}, p50`,
      unit: 'ms',
      peer: { name: celery, figure: 'p50' },
      ours: 'p50',
      goal: atMostTimes(2),
    },
    {
      work: `${work}, p99`,
      unit: 'ms',
      peer: { name: celery, figure: 'p99' },
      ours: 'p99',
      goal: under(20, 'ms'),
    },
  ],
  peer,
  ours,
};
