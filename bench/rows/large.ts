import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mebibyte, perSecond, prepared, roundsOf, sizeOf } from '../peers/large.js';
import { ended, jobPath } from '../support/job.js';
import { withPenstock } from '../support/penstock.js';
import { residentMiB } from '../support/proc.js';
import {
  atLeast,
  atLeastTimes,
  type Context,
  type Figures,
  type Goal,
  type Line,
  type Row,
  under,
} from '../support/row.js';
import { run } from '../support/started.js';
import { percentile } from '../support/stats.js';
import { trDefinition } from '../support/work.js';

/** Polling more often than this would take processor time from the job. */
const pollMs = 50;

/** Samples a server's memory until stopped. Returns by how much it exceeded the first sample. */
function watchMemory(pid: number): () => number {
  const before = residentMiB(pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentMiB(pid));
  }, 50);
  return () => {
    clearInterval(timer);
    return most - before;
  };
}

async function ours(context: Context): Promise<Figures> {
  const { input, hash } = await prepared(context);
  const size = sizeOf(context);
  const folder = context.folder('large');
  return withPenstock(folder, async (server) => {
    const runPath = await server.register(trDefinition);
    // One small job first, so that what the server loads once does not count as growth.
    await ended(server.client, jobPath(await server.client.send('POST', runPath, 'text', 'text/plain')));

    const growth = watchMemory(server.pid);
    const uploads: number[] = [];
    const runs: number[] = [];
    for (let round = 0; round < roundsOf(context); round++) {
      const begin = performance.now();
      const body = createReadStream(input, { highWaterMark: mebibyte });
      const job = jobPath(await server.client.upload(runPath, body, size));
      const uploaded = performance.now();
      const end = await ended(server.client, job, pollMs);
      const done = performance.now();
      if (end.state !== 'FINISHED') throw new Error(`The large job ended as ${end.state}.`);
      uploads.push(perSecond(size, uploaded - begin));
      runs.push(perSecond(size, done - uploaded));

      const output = createHash('sha256');
      const status = await server.client.download(`${job}output/`, (chunk) => output.update(chunk));
      if (status !== 200 || output.digest('hex') !== hash)
        throw new Error('The large output has other bytes.');
      await run('sync', ['-f', folder]);
    }
    return { upload: percentile(uploads, 0.5), run: percentile(runs, 0.5), growth: growth() };
  });
}

const goals = "at least 0.9 of the shell's speed, upload at 400 MB/s, less than 64 MiB more memory";

/** One large input: the program's own speed is the limit, and memory stays flat. */
export const large: Row = {
  name: 'large',
  target: goals,
  lines(context) {
    const work = `${sizeOf(context) / mebibyte} MiB through tr`;
    const shell = 'the shell: tr -d x < in > out';
    const line = (what: string, name: string, figure: string, ours: string, goal?: Goal): Line => ({
      work: `${work}: ${what}`,
      unit: 'MB/s',
      peer: { name, figure },
      ours,
      ...(goal && { goal }),
    });
    return [
      line('the run', `${shell}, in just written`, 'fresh', 'run', atLeastTimes(0.9)),
      line('the run', `${shell}, disk at rest`, 'settled', 'run'),
      line(
        'the upload before it',
        'a plain copy: dd bs=1M < in > out',
        'copy',
        'upload',
        atLeast(400, 'MB/s'),
      ),
      { work: `${work}: growth of the server`, unit: 'MiB', ours: 'growth', goal: under(64, 'MiB') },
    ];
  },
  async peer(context) {
    return (await prepared(context)).shell;
  },
  ours,
};
