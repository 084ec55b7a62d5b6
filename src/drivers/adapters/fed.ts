import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { PenstockError } from '../../lib/errors.js';
import { switchTo } from '../processes/accounts.js';
import { makePipes } from '../processes/pipes.js';
import type { AdapterContext, Taken } from './adapter.js';

/** Shared by the adapters whose bytes go through the feeder. */

/** The default number of bytes that are passed on at a time, and the maximum. */
export const chunkOf = (input: { chunkSize?: number }): number =>
  Math.min(input.chunkSize ?? 65_536, 16 * 2 ** 20);

/** Makes a named pipe in the attempt's folder, where only the user that runs Penstock can use it. */
export async function makePipe({ user }: AdapterContext, pipe: string): Promise<void> {
  if (user !== null) await refuseOthers(user, 'a named pipe');
  await makePipes([pipe]);
}

/** Refuses a program that runs as another user, who may not enter the job's folder. */
export async function refuseOthers(user: string, what: string): Promise<void> {
  if ((await switchTo(user)).length === 0) return;
  throw new PenstockError(
    'conflict',
    `the program runs as ${user}, who has no access to ${what} of the server`,
  );
}

/** Where the feeder writes the output. */
export async function keptOutput({ folder, outputName }: AdapterContext): Promise<string> {
  await mkdir(path.join(folder, 'output'), { recursive: true });
  return path.join(folder, 'output', outputName);
}

/** The output that the feeder has written; null if it wrote none. */
export function taken({ folder, outputName }: AdapterContext): Taken {
  const kept = path.join(folder, 'output', outputName);
  return { output: existsSync(kept) ? kept : null };
}

/** Removes a named pipe. */
export const removePipe = (pipe: string): Promise<void> => rm(pipe, { force: true });
