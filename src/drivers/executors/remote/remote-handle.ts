import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from '../../../domain/jobs/outcome.js';
import type { RemoteIdentity } from '../../hosts/scripts/remote-launch.js';
import type { FilePath, Handle } from '../executor.js';

/** A run on another machine: everything needed to continue with it. */
export interface RemoteHandle extends Handle {
  uuid: string;
  host: string;
  /** Its folder on that machine. */
  there: string;
  /** Null if the answer with it was lost: then perhaps nothing was started, and nothing may be started any longer. */
  runner: RemoteIdentity | null;
  stdout: string;
  stderr: string;
  fetch: readonly FilePath[];
  /** The most bytes of each fetched file, from the run's limits; null for no limit. */
  most: number | null;
  /** Limits that are not enforced there. */
  unkept_limits: string[];
}

const placeFile = (folder: string) => path.join(folder, 'place');
const outcomeFile = (folder: string) => path.join(folder, 'outcome');

/**
 * Records where a run will be before anything happens there; the first record decides.
 *
 * @param handle null records that it must never be started
 * @returns what is recorded: somebody else may have been first
 */
export function notePlace(folder: string, handle: RemoteHandle | null): RemoteHandle | null {
  try {
    writeFileSync(placeFile(folder), JSON.stringify(handle), { flag: 'wx' });
    return handle;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const noted = readFileSync(placeFile(folder), 'utf8');
    // If it was only half written when the machine went down, nothing else was done.
    return noted.endsWith('}') ? (JSON.parse(noted) as RemoteHandle) : null;
  }
}

/** How a run ended, once everything has been fetched; null before. */
export function readOutcome(folder: string): Outcome | null {
  const file = outcomeFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Outcome) : null;
}

export function keepOutcome(folder: string, outcome: Outcome): void {
  const file = outcomeFile(folder);
  writeFileSync(`${file}.part`, JSON.stringify(outcome));
  renameSync(`${file}.part`, file);
}
