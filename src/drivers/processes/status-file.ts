import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ended, exited, type Outcome } from '../../domain/jobs/outcome.js';
import { type RunnerStatus, readStatus } from './runner.js';

/** The file that claims a run and records how it ended. */
export const statusFile = (folder: string): string => path.join(folder, 'status');

/** The current status of a run's folder. */
export function readStatusFile(folder: string): RunnerStatus {
  try {
    return readStatus(readFileSync(statusFile(folder), 'latin1'));
  } catch {
    return { ended: false };
  }
}

/**
 * Creates the status file. Only whoever creates it may start the job: if it can be created, nobody has started the job,
 * and a runner that still has it in its pipe will be too late.
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
 * True if a folder's run has not been started, and now never will be. A program may have deleted its own status file,
 * by clearing the parent of its folder: other traces then show that it has run.
 */
export function neverBegun(folder: string): boolean {
  const traces = ['stdout', 'stderr'].some((name) => existsSync(path.join(folder, name)));
  return claim(folder) && !traces;
}

/** If a number has two names, such as 6, the first is the better known. */
const signalNames = new Map(
  Object.entries(os.constants.signals)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/** A signal's name, such as SIGKILL. */
const signalName = (number: number): string => signalNames.get(number) ?? `SIG${number}`;

/** The outcome of an ended run from its status. */
export function statusOutcome(status: RunnerStatus & { ended: true }): Outcome {
  const signal = status.signal === null ? null : signalName(status.signal);
  if (status.problem !== null) {
    // The program's exit shows that it has run: then the platform does not retry it.
    const how = status.began ? { exit_code: signal === null ? status.code : null, signal } : {};
    return { ...ended('platform', status.problem), ...how };
  }
  if (signal !== null) return { ...ended('signal'), signal };
  if (status.perhaps === null) return exited(status.code);
  const name = signalName(status.perhaps);
  return { ...exited(status.code), reason: `It exited with ${status.code}, or ${name} ended it.` };
}

/** For processes of others, whose end we are not told of. */
const pollInterval = 100;

/** Waits for the end of a run that an earlier process started, by its status file. */
export async function statusEnded(folder: string, runs: () => boolean, signal?: AbortSignal): Promise<void> {
  while (!readStatusFile(folder).ended && runs()) await delay(pollInterval, undefined, { signal });
}
