import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ended, exited, type Outcome } from '../../domain/jobs/outcome.js';
import { type RunnerStatus, readStatus } from './runner.js';

/** The file by which a run is claimed, and which tells how it ended. */
export const statusFile = (folder: string): string => path.join(folder, 'status');

/** What the status file of a run's folder says now. */
export function readStatusFile(folder: string): RunnerStatus {
  try {
    return readStatus(readFileSync(statusFile(folder), 'latin1'));
  } catch {
    return { ended: false };
  }
}

/**
 * Makes the status file. Whoever makes it has the only right to start the job: if it can be made, nobody has
 * started it, and a runner that still has it in its pipe will find that it comes too late.
 */
function claim(folder: string): boolean {
  try {
    closeSync(openSync(statusFile(folder), 'wx'));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * True if nobody has begun the run of a folder, and now nobody ever will. A program may have taken its status file away,
 * as one does that clears the folder above its own: what else it leaves behind tells that it has run.
 */
export function neverBegun(folder: string): boolean {
  const traces = ['stdout', 'stderr'].some((name) => existsSync(path.join(folder, name)));
  return claim(folder) && !traces;
}

/** Where a number has two names, as 6 has, the first is the one that people know. */
const signalNames = new Map(
  Object.entries(os.constants.signals)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/** A signal's name, such as SIGKILL. */
const signalName = (number: number): string => signalNames.get(number) ?? `SIG${number}`;

/** The outcome that the status of a run means that has ended. */
export function statusOutcome(status: RunnerStatus & { ended: true }): Outcome {
  const signal = status.signal === null ? null : signalName(status.signal);
  if (status.problem !== null) {
    // How the program ended tells that it has run: what has, is not run again for the platform's sake.
    const how = status.began ? { exit_code: signal === null ? status.code : null, signal } : {};
    return { ...ended('platform', status.problem), ...how };
  }
  if (signal !== null) return { ...ended('signal'), signal };
  if (status.perhaps === null) return exited(status.code);
  const name = signalName(status.perhaps);
  return { ...exited(status.code), reason: `It exited with ${status.code}, or ${name} ended it.` };
}

/** While somebody else's process is watched, since its end is not told to us. */
const pollInterval = 100;

/** Waits for the end of a run that somebody else started: it tells only by its status file. */
export async function statusEnded(folder: string, runs: () => boolean, signal?: AbortSignal): Promise<void> {
  while (!readStatusFile(folder).ended && runs()) await delay(pollInterval, undefined, { signal });
}
