import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { mebibyte, perSecond, sizeOf } from '../peers/large.js';
import { ended, jobPath } from '../support/job.js';
import { withPenstock } from '../support/penstock.js';
import { atLeastTimes, type Context, type Figures, type Row } from '../support/row.js';
import { run } from '../support/started.js';
import { text } from '../support/work.js';

/** The programs of the pipeline, in order. */
const programs = [
  ['tr', '-d', 'x'],
  ['sort'],
  // Without a name and a time in the output, so that both sides produce the same bytes.
  ['gzip', '-n'],
] as const;

/** Polling more often than this would take processor time from the programs. */
const pollMs = 100;

/** The input of both sides, and the output of the shell. Made once. */
let shell: Promise<{ input: string; hash: string; rate: number }> | undefined;

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: mebibyte })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function throughShell(context: Context) {
  const folder = context.folder('pipeline-input');
  const [input, output] = [path.join(folder, 'in'), path.join(folder, 'out')];
  const file = createWriteStream(input);
  const block = 8 * mebibyte;
  for (let written = 0; written < sizeOf(context); written += block) {
    if (!file.write(text(block, written + 1))) await once(file, 'drain');
  }
  file.end();
  await finished(file);
  await run('sync', [input]);
  const line = programs.map((words) => words.join(' ')).join(' | ');
  const begin = performance.now();
  // The same locale as in a job's clean environment, because the order and speed of a sort depend on it.
  await run('/bin/sh', ['-c', `exec env -i PATH="$PATH" sh -c '${line}' < "$0" > "$1"`, input, output]);
  return { input, rate: perSecond(sizeOf(context), performance.now() - begin), hash: await hashOf(output) };
}

const prepared = (context: Context) => {
  shell ??= throughShell(context);
  return shell;
};

async function ours(context: Context): Promise<Figures> {
  const { input, hash } = await prepared(context);
  return withPenstock(context.folder('pipeline'), async (server) => {
    const steps: object[] = [];
    for (const [exec, ...argv] of programs) {
      const runPath = await server.register({ name: exec, exec, argv });
      steps.push({ name: exec, process_definition: runPath.replace(/run\/$/, '') });
    }
    const made = await server.client.send('POST', '/api/pipeline/', JSON.stringify({ name: 'bench', steps }));
    if (made.status !== 201) throw new Error(`Registering: ${made.status} ${made.body}`);
    const runPath = `${new URL(made.headers.location ?? '', server.url).pathname}run/`;
    const body = createReadStream(input, { highWaterMark: mebibyte });
    const job = jobPath(await server.client.upload(runPath, body, sizeOf(context)));
    const uploaded = performance.now();
    const end = await ended(server.client, job, pollMs);
    const rate = perSecond(sizeOf(context), performance.now() - uploaded);
    if (end.state !== 'FINISHED') throw new Error(`The pipeline ended as ${end.state}.`);
    const output = createHash('sha256');
    const status = await server.client.download(`${job}output/`, (chunk) => output.update(chunk));
    if (status !== 200 || output.digest('hex') !== hash) throw new Error('The output has other bytes.');
    return { run: rate };
  });
}

const goal = atLeastTimes(0.8);

/** Programs joined by pipes: their own speed is the limit, and nothing between them is written to disk. */
export const pipeline: Row = {
  name: 'pipeline',
  target: `${goal.text}, the same bytes`,
  lines: (context) => [
    {
      work: `${sizeOf(context) / mebibyte} MiB through a pipeline: tr -d x | sort | gzip -n`,
      unit: 'MB/s',
      peer: { name: 'the shell', figure: 'shell' },
      ours: 'run',
      goal,
    },
  ],
  async peer(context) {
    return { shell: (await prepared(context)).rate };
  },
  ours,
};
