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

  const output = path.join(folder, 'out');
  const rates = { copy: [] as number[], fresh: [] as number[], settled: [] as number[] };
  for (let round = 0; round < roundsOf(context); round++) {
    // New files each time, none deleted, as with jobs: writing into memory that was in use before is
    // several times faster on some virtual machines.
    const [copied, fresh] = [path.join(folder, `copied-${round}`), path.join(folder, `fresh-${round}`)];
    rates.copy.push(await throughShell(context, 'dd bs=1M status=none', input, copied));
    // A job's input has just arrived: the shell gets the same, and also the easier case.
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

/** The large file: what both sides read, what must come out, and the shell's figures. Made once. */
export const prepared = (context: Context) => {
  files ??= prepare(context);
  return files;
};
