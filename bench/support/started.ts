import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { endProcessesOf } from './proc.js';
import { pause } from './wait-for.js';

/** A process that the benchmark started and will stop. */
export interface Started {
  pid: number;
  child: ChildProcess;
  /** The last lines that it wrote, for an error message. */
  log(): string;
  ended(): boolean;
  /** Sends SIGTERM, then SIGKILL, to its own process group. */
  stop(): Promise<void>;
}

const running = new Set<Started>();
const folders: string[] = [];

/** A temporary folder that is removed at the end of the benchmark. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), `penstock-bench-${name}-`));
  folders.push(folder);
  return folder;
}

/** Starts a process in its own group, with its output in `logFile`. Its stdout may be piped to us instead. */
export function start(
  command: string,
  args: string[],
  options: { cwd: string; env?: Record<string, string>; logFile: string; pipe?: boolean },
): Started {
  const log = openSync(options.logFile, 'a');
  const child = spawn(command, args, {
    cwd: options.cwd,
    // The log's folder in the environment marks the process, and what it starts, as ours.
    env: { ...process.env, ...options.env, PENSTOCK_BENCH: path.dirname(options.logFile) },
    detached: true,
    stdio: ['ignore', options.pipe ? 'pipe' : log, log],
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command} could not be started.`);
  const ended = () => child.exitCode !== null || child.signalCode !== null;
  const started: Started = {
    pid,
    child,
    ended,
    log: () => readFileSync(options.logFile, 'utf8').split('\n').slice(-15).join('\n'),
    async stop() {
      // Only its own group, which cannot contain older processes.
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        if (!signalGroup(pid, signal)) break;
        for (let waited = 0; waited < 5_000 && !ended(); waited += 20) await pause(20);
      }
      running.delete(started);
    },
  };
  running.add(started);
  return started;
}

/** Whether there was a process to signal. */
function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Runs a program and returns its stdout. Throws its stderr if it fails. */
export function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      { cwd: options.cwd, env: { ...process.env, ...options.env }, maxBuffer: 64 << 20 },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${command}: ${error.message}\n${stderr.slice(-2000)}`));
        else resolve(stdout);
      },
    );
    // A program may end without reading its input. That is not an error.
    child.stdin?.on('error', () => undefined).end(options.input ?? '');
  });
}

/** Stops what a failed side of a row has left running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((started) => started.stop()));
}

/** Ends everything and removes the folders. Safe to call twice. */
export async function cleanUp(): Promise<void> {
  await stopAll();
  for (const folder of folders.splice(0)) {
    endProcessesOf(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
