import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from '../../../domain/jobs/outcome.js';
import type { RemoteIdentity } from '../../hosts/scripts/remote-launch.js';
import type { FilePath, Handle } from '../executor.js';

/** A run on another machine: all that is needed to go on with it. */
export interface RemoteHandle extends Handle {
  uuid: string;
  host: string;
  /** Its folder on that machine. */
  there: string;
  /** Null if the answer that told it was lost: then perhaps nothing was started, and nobody may start it any more. */
  runner: RemoteIdentity | null;
  stdout: string;
  stderr: string;
  fetch: readonly FilePath[];
  /** Bytes that a file may have of those that are fetched, by the limits of the run; null if they do not say. */
  most: number | null;
  /** Limits that are not kept there. */
  unkept_limits: string[];
}

const placeFile = (folder: string) => path.join(folder, 'place');
const outcomeFile = (folder: string) => path.join(folder, 'outcome');

/**
 * Notes where a run is to be, before anything happens there; who notes it first decides.
 *
 * @param handle null notes that it is never to be started
 * @returns what is noted: another may have been first
 */
export function notePlace(folder: string, handle: RemoteHandle | null): RemoteHandle | null {
  try {
    writeFileSync(placeFile(folder), JSON.stringify(handle), { flag: 'wx' });
    return handle;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const noted = readFileSync(placeFile(folder), 'utf8');
    // One that was being written when the machine went down was followed by nothing.
    return noted.endsWith('}') ? (JSON.parse(noted) as RemoteHandle) : null;
  }
}

/** How a run ended, once all of it is here; null before. */
export function readOutcome(folder: string): Outcome | null {
  const file = outcomeFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Outcome) : null;
}

export function keepOutcome(folder: string, outcome: Outcome): void {
  const file = outcomeFile(folder);
  writeFileSync(`${file}.part`, JSON.stringify(outcome));
  renameSync(`${file}.part`, file);
}
