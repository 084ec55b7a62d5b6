import { jobPath } from '../support/job.js';
import { type Penstock, startPenstock } from '../support/penstock.js';
import { type Context, type Figures, type Row, under } from '../support/row.js';
import { waitFor } from '../support/wait-for.js';

const jobsOf = (context: Context) => (context.quick ? 1_000 : 10_000);
const clients = 8;
const sleeper = { exec: '/usr/bin/sleep', argv: ['300'] };

/** Submits jobs that do not end by themselves. The queue must hold them all. */
async function submit(server: Penstock, jobs: number): Promise<void> {
  const runPath = await server.register(sleeper);
  const http = server.connect(clients);
  let left = jobs;
  async function one(): Promise<void> {
    while (left-- > 0) jobPath(await http.send('POST', runPath, '{}'));
  }
  try {
    await Promise.all(Array.from({ length: clients }, one));
  } finally {
    http.close();
  }
}

async function ours(context: Context): Promise<Figures> {
  const folder = context.folder('restart');
  const first = await startPenstock(folder);
  try {
    await submit(first, jobsOf(context));
    await first.crash();
  } catch (error) {
    await first.stop();
    throw error;
  }

  const begin = performance.now();
  const second = await startPenstock(folder);
  try {
    await waitFor('a healthy server', async () => {
      const answer = await second.client.send('GET', '/healthz').catch(() => undefined);
      return answer?.status === 200 || undefined;
    });
    const healthy = performance.now() - begin;
    const page = await second.client.json<{ meta: { total_count: number } }>('/api/job/?limit=1');
    if (page.meta.total_count !== jobsOf(context))
      throw new Error(`${page.meta.total_count} jobs after the restart.`);
    return { listening: second.readyAfter / 1000, healthy: healthy / 1000 };
  } finally {
    await second.stop();
  }
}

/** How long it takes to serve again after a crash with a full queue. */
export const restart: Row = {
  name: 'restart',
  target: 'serving within 3 s',
  lines: (context) => [
    {
      work: `restart with ${jobsOf(context).toLocaleString('en')} unfinished jobs: listening`,
      unit: 's',
      ours: 'listening',
      goal: under(3, 's'),
    },
    {
      work: `restart with ${jobsOf(context).toLocaleString('en')} unfinished jobs: first 200`,
      unit: 's',
      ours: 'healthy',
      goal: under(3, 's'),
    },
  ],
  peer: async () => ({}),
  ours,
};
