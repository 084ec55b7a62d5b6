import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  listProcesses,
  type Process,
  readProcess,
  workingFolder,
} from '../../src/drivers/processes/processes.js';

/** The path of one of the tiny programs in `test/programs`. */
export const program = (name: string): string =>
  fileURLToPath(new URL(`../programs/${name}`, import.meta.url));

/** The lines of a file, as far as it is written; none if it is not there. */
export function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

/** A process that still does something: one that has ended and only waits to be noticed does not. */
export function alive(pid: number): Process | undefined {
  const process = readProcess(pid);
  return process === undefined || process.state === 'Z' || process.state === 'X' ? undefined : process;
}

/** The processes in whose arguments a word stands. */
export function naming(word: string): Process[] {
  return listProcesses().filter(({ pid }) => {
    try {
      return alive(pid) !== undefined && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(word);
    } catch {
      return false;
    }
  });
}

/** Ends every process that works in a folder of ours, or is told of it: services outlive their server by design. */
export function endProcessesOf(folder: string): void {
  for (const { pid } of listProcesses()) {
    if (pid === process.pid || pid === process.ppid || !belongs(pid, folder)) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself meanwhile.
    }
  }
}

function belongs(pid: number, folder: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return (workingFolder(pid) ?? '').startsWith(folder) || environment.includes(`=${folder}/`);
  } catch {
    return false;
  }
}
