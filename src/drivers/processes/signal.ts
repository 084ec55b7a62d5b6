import type { ChildProcess } from 'node:child_process';
import { lives } from './processes.js';

/** A process that was found to be ours, with its start time (clock ticks since boot). */
interface Target {
  readonly pid: number;
  readonly startTime: number;
}

/**
 * Sends a signal to one process. This and `signalChild` are the only ways in this program to signal anything: 0 and
 * negative numbers name groups, −1 names every process of the user, 1 is init, and a pid that has passed to another
 * process names a stranger. None of these is signalled, nor is this process itself.
 *
 * @returns true if the signal was sent; false if the target is gone, was never ours, or may not be signalled
 */
export function signalProcess(target: Target, signal: NodeJS.Signals): boolean {
  const { pid, startTime } = target;
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return false;
  if (!lives(pid, startTime)) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    // It has just ended (ESRCH), or now belongs to another user (EPERM).
    return false;
  }
}

/**
 * Sends a signal to a child of this process. Its pid cannot pass to another process before Node has noticed its end.
 *
 * @returns true if the signal was sent; false if the child has ended, or was never started
 */
export function signalChild(child: ChildProcess, signal: NodeJS.Signals): boolean {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
  return child.kill(signal);
}
