import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { PenstockError } from '../../lib/errors.js';
import { switchTo } from '../processes/accounts.js';
import { makePipes } from '../processes/pipes.js';
import type { AdapterContext, Taken } from './adapter.js';

/** What the adapters share whose bytes go through the feeder. */

/** Bytes that are passed on at a time, unless the definition says otherwise; and the most that it can say. */
export const chunkOf = (input: { chunkSize?: number }): number =>
  Math.min(input.chunkSize ?? 65_536, 16 * 2 ** 20);

/** Makes a named pipe in the attempt's folder, where only who runs this server can use it. */
export async function makePipe({ user }: AdapterContext, pipe: string): Promise<void> {
  if (user !== null) await refuseOthers(user, 'a named pipe');
  await makePipes([pipe]);
}

/** Refuses a program that runs as somebody else, who may not enter the job's folder. */
export async function refuseOthers(user: string, what: string): Promise<void> {
  if ((await switchTo(user)).length === 0) return;
  throw new PenstockError('conflict', `the program runs as ${user}, who cannot use ${what} of the server's`);
}

/** Where the feeder writes the output. */
export async function keptOutput({ folder, outputName }: AdapterContext): Promise<string> {
  await mkdir(path.join(folder, 'output'), { recursive: true });
  return path.join(folder, 'output', outputName);
}

/** What the feeder has written; null if it wrote none. */
export function taken({ folder, outputName }: AdapterContext): Taken {
  const kept = path.join(folder, 'output', outputName);
  return { output: existsSync(kept) ? kept : null };
}

/** Takes a named pipe away. */
export const removePipe = (pipe: string): Promise<void> => rm(pipe, { force: true });
