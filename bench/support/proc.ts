/** What /proc says about processes. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A file of /proc, or nothing: processes come and go while we read. */
function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

const pids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** The fields of /proc/<pid>/stat after the command name, which may itself contain spaces. */
function stat(pid: number): string[] {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** A process and all its descendants. */
export function tree(root: number): number[] {
  const parents = new Map(pids().map((pid) => [pid, Number(stat(pid)[1])]));
  const found = [root];
  for (const parent of found) {
    for (const [pid, its] of parents) if (its === parent) found.push(pid);
  }
  return found;
}

/** Resident memory of one process in MiB. */
export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

/** Processor time that a process has used, in seconds. Linux counts it in 1/100 s for programs. */
export function processorSeconds(pid: number): number {
  const fields = stat(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
}

/**
 * Kills leftover processes of a temporary folder of ours, because programs outlive the server by design. The
 * folder's random name is in their environment (see `start`), or they work inside it.
 */
export function endProcessesOf(folder: string): void {
  for (const pid of pids()) {
    if (pid === process.pid) continue;
    if (!`${workingFolder(pid)}\0${read(`/proc/${pid}/environ`)}`.includes(folder)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
}

function workingFolder(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
