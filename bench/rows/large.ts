import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { ended, jobPath } from '../support/job.js';
import { withPenstock } from '../support/penstock.js';
import { residentMiB } from '../support/proc.js';
import { atLeast, atLeastTimes, type Context, type Figures, type Row, under } from '../support/row.js';
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

/** Both sides read the same file, made once; the shell's output says what ours has to be. */
let files: Promise<{ input: string; hash: string; rate: number }> | undefined;

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

  const output = path.join(folder, 'out');
  const rates: number[] = [];
  for (let round = 0; round < roundsOf(context); round++) {
    rmSync(output, { force: true });
    const begin = performance.now();
    await run('/bin/sh', ['-c', 'exec tr -d x < "$0" > "$1"', input, output]);
    rates.push(perSecond(sizeOf(context), performance.now() - begin));
    await settle(output);
  }
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(output, { highWaterMark: mebibyte }))
    hash.update(chunk as Buffer);
  return { input, hash: hash.digest('hex'), rate: percentile(rates, 0.5) };
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

const shell = { name: 'the shell: tr -d x < in > out', figure: 'shell' };

/** One large input: the program's own speed is the limit, and memory stays flat. */
export const large: Row = {
  name: 'large',
  target: "at least 0.9 of the shell's speed, upload at 400 MB/s, less than 64 MiB more memory",
  lines: (context) => [
    {
      work: `${sizeOf(context) / mebibyte} MiB through tr: the run`,
      unit: 'MB/s',
      peer: shell,
      ours: 'run',
      goal: atLeastTimes(0.9),
    },
    {
      work: `${sizeOf(context) / mebibyte} MiB through tr: the upload before it`,
      unit: 'MB/s',
      ours: 'upload',
      goal: atLeast(400, 'MB/s'),
    },
    {
      work: `${sizeOf(context) / mebibyte} MiB through tr: growth of the server`,
      unit: 'MiB',
      ours: 'growth',
      goal: under(64, 'MiB'),
    },
  ],
  async peer(context) {
    return { shell: (await prepared(context)).rate };
  },
  ours,
};
