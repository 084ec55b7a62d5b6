/** The peer of the row `large`: the shell, over one large file. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import type { Context, Figures } from '../support/row.js';
import { run } from '../support/started.js';
import { percentile } from '../support/stats.js';
import { text } from '../support/work.js';

export const mebibyte = 1 << 20;
export const sizeOf = (context: Context) => (context.quick ? 128 : 1024) * mebibyte;
export const roundsOf = (context: Context) => (context.quick ? 1 : 2);
export const perSecond = (bytes: number, ms: number) => bytes / 1e6 / (ms / 1000);

/** Waits for the disk: if it is still busy with earlier writes, that would distort the next figure. */
async function settle(file: string): Promise<void> {
  await run('sync', [file]);
}

/** How fast a shell command turns one file into another, in MB/s. */
async function throughShell(context: Context, command: string, from: string, to: string): Promise<number> {
  const begin = performance.now();
  await run('/bin/sh', ['-c', `exec ${command} < "$0" > "$1"`, from, to]);
  return perSecond(sizeOf(context), performance.now() - begin);
}

/** Both sides read the same file, made once. The shell's output is what ours must equal. */
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

  const output = path.join(folder, 'out');
  const rates = { copy: [] as number[], fresh: [] as number[], settled: [] as number[] };
  for (let round = 0; round < roundsOf(context); round++) {
    // New files each time, and none deleted, as with jobs: on some virtual machines, writing into memory that
    // was in use before is several times faster.
    const [copied, fresh] = [path.join(folder, `copied-${round}`), path.join(folder, `fresh-${round}`)];
    rates.copy.push(await throughShell(context, 'dd bs=1M status=none', input, copied));
    // A job's input has only just arrived. The shell gets the same, and also the easier case.
    rates.fresh.push(await throughShell(context, 'tr -d x', copied, fresh));
    await settle(fresh);
    rates.settled.push(await throughShell(context, 'tr -d x', input, `${output}-${round}`));
    await settle(`${output}-${round}`);
  }
  const shell = Object.fromEntries(Object.entries(rates).map(([name, all]) => [name, percentile(all, 0.5)]));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(`${output}-0`, { highWaterMark: mebibyte }))
    hash.update(chunk as Buffer);
  return { input, hash: hash.digest('hex'), shell };
}

/** The large file, made once: the input of both sides, the expected output, and the shell's figures. */
export const prepared = (context: Context) => {
  files ??= prepare(context);
  return files;
};
