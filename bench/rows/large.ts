import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';
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
import { text, trDefinition } from '../support/work.js';

const mebibyte = 1 << 20;
const sizeOf = (context: Context) => (context.quick ? 128 : 1024) * mebibyte;
const roundsOf = (context: Context) => (context.quick ? 1 : 3);
const perSecond = (bytes: number, ms: number) => bytes / 1e6 / (ms / 1000);

/** A disk that is still busy with what went before would be in the next figure. */
async function settle(file: string): Promise<void> {
  await run('sync', [file]);
}

/** How fast a command of the shell turns one file into another, in MB/s. */
async function throughShell(context: Context, command: string, from: string, to: string): Promise<number> {
  const begin = performance.now();
  await run('/bin/sh', ['-c', `exec ${command} < "$0" > "$1"`, from, to]);
  return perSecond(sizeOf(context), performance.now() - begin);
}

/** Both sides read the same file, made once; the shell's output says what ours has to be. */
let files: Promise<{ input: string; hash: string; shell: Figures }> | undefined;

async function prepare(context: Context) {
  const folder = context.folder('large-input');
  const input = path.join(folder, 'in');
  const block = text(8 * mebibyte);
  const file = createWriteStream(input);
  for (let left = sizeOf(context); left > 0; left -= block.length) {
    if (!file.write(block)) await once(file, 'drain');
  }
  file.end();
  await finished(file);

  await settle(input);

  const [copied, output] = [path.join(folder, 'copied'), path.join(folder, 'out')];
  const rates = { copy: [] as number[], fresh: [] as number[], settled: [] as number[] };
  for (let round = 0; round < roundsOf(context); round++) {
    // A job's input has just arrived, and the disk is still writing it: the shell gets the same, and also
    // the easier case.
    rates.copy.push(await throughShell(context, 'cat', input, copied));
    rates.fresh.push(await throughShell(context, 'tr -d x', copied, output));
    await settle(copied);
    await settle(output);
    rmSync(output);
    rates.settled.push(await throughShell(context, 'tr -d x', input, output));
    await settle(output);
    rmSync(copied);
  }
  const shell = Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, percentile(all, 0.5)]));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(output, { highWaterMark: mebibyte }))
    hash.update(chunk as Buffer);
  return { input, hash: hash.digest('hex'), shell };
}

const prepared = (context: Context) => {
  files ??= prepare(context);
  return files;
};

/** Samples a server's memory until it is stopped; says by how much it was above the first sample. */
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
    // One small job first: what the server loads once is not growth.
    await ended(server.client, jobPath(await server.client.send('POST', runPath, 'text', 'text/plain')));

    const growth = watchMemory(server.pid);
    const uploads: number[] = [];
    const runs: number[] = [];
    for (let round = 0; round < roundsOf(context); round++) {
      const begin = performance.now();
      const body = createReadStream(input, { highWaterMark: mebibyte });
      const job = jobPath(await server.client.upload(runPath, body, size));
      const uploaded = performance.now();
      const end = await ended(server.client, job);
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
      line('the upload before it', 'the disk: cat < in > out', 'copy', 'upload', atLeast(400, 'MB/s')),
      { work: `${work}: growth of the server`, unit: 'MiB', ours: 'growth', goal: under(64, 'MiB') },
    ];
  },
  async peer(context) {
    return (await prepared(context)).shell;
  },
  ours,
};
