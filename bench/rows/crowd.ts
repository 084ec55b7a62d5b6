import path from 'node:path';
import { databaseIn, fill } from '../fill.js';
import { ended, jobPath } from '../support/job.js';
import { type Penstock, withPenstock } from '../support/penstock.js';
import { atMostTimes, type Context, type Figures, type Line, type Row } from '../support/row.js';
import { percentile } from '../support/stats.js';
import { text, trDefinition } from '../support/work.js';

const few = 1_000;
const manyOf = (context: Context) => (context.quick ? 50_000 : 1_000_000);
const rounds = 200;

/** Median time of one GET, in ms. */
async function read(server: Penstock, url: string): Promise<number> {
  const latencies: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const before = performance.now();
    await server.client.json(url);
    latencies.push(performance.now() - before);
  }
  return percentile(latencies, 0.5);
}

/** Median time until a job is accepted, in ms. Each job ends before the next one is sent. */
async function submit(server: Penstock, runPath: string): Promise<number> {
  const latencies: number[] = [];
  const input = text(1000);
  for (let i = 0; i < rounds / 2; i++) {
    const before = performance.now();
    const answer = await server.client.send('POST', runPath, input, 'text/plain');
    latencies.push(performance.now() - before);
    await ended(server.client, jobPath(answer));
  }
  return percentile(latencies, 0.5);
}

/** A server with that many jobs in its database: nine of ten finished, the others failed. */
async function measure(context: Context, jobs: number): Promise<Figures> {
  const folder = context.folder(`crowd-${jobs}`);
  await withPenstock(folder, async (server) => {
    for (const definition of [trDefinition, { exec: '/usr/bin/false' }]) {
      const answer = await server.client.send(
        'POST',
        await server.register(definition),
        'text',
        'text/plain',
      );
      await ended(server.client, jobPath(answer));
    }
  });
  fill(databaseIn(path.join(folder, 'data')), jobs, { FINISHED: 9, FAILED: 1 });
  return withPenstock(folder, async (server) => {
    const runPath = await server.register(trDefinition);
    await read(server, '/api/job/');
    return {
      list: await read(server, '/api/job/'),
      filter: await read(server, '/api/job/?state=FINISHED'),
      rare: await read(server, '/api/job/?state=RUNNING'),
      submit: await submit(server, runPath),
    };
  });
}

const line = (context: Context, work: string, figure: string): Line => ({
  work: `${work}, ${manyOf(context).toLocaleString('en')} jobs in the database`,
  unit: 'ms',
  peer: { name: 'Penstock with 1,000 jobs', figure },
  ours: figure,
  goal: atMostTimes(2),
});

/** A full database against an almost empty one. Both sides are Penstock. */
export const crowd: Row = {
  name: 'crowd',
  target: 'at most twice the time that 1,000 jobs take',
  lines: (context) => [
    line(context, 'list jobs', 'list'),
    line(context, 'filter jobs by a state that most have', 'filter'),
    line(context, 'filter jobs by a state that none has', 'rare'),
    line(context, 'submit a job (until accepted)', 'submit'),
  ],
  peer: (context) => measure(context, few),
  ours: (context) => measure(context, manyOf(context)),
};
