import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ended, exited, type Outcome } from '../domain/outcome.js';
import { PenstockError } from '../errors.js';
import { type ControlGroups, groupMembers, ranOutOfMemory } from '../hosts/cgroup.js';
import {
  bootId,
  listProcesses,
  lives,
  type Process,
  readProcess,
  usesFolder,
  variableOf,
  workingFolder,
} from '../hosts/processes.js';
import { commandScript, readStatus } from '../hosts/runner.js';
import type { ProcessIdentity, RunnerPool } from '../hosts/runner-pool.js';
import { terminate } from '../hosts/terminate.js';
import type { Executor, ExecutorCommand, ExecutorFiles, Handle } from './executor.js';

/** Every process of a job carries these in its environment, however it detaches itself. */
export const jobVariable = 'PENSTOCK_JOB_UUID';
export const instanceVariable = 'PENSTOCK_INSTANCE';

interface LocalHandle extends Handle {
  uuid: string;
  boot_id: string;
  runner: ProcessIdentity | null;
  groups: string[];
  /** Limits that this machine cannot keep. */
  unkept_limits: string[];
}

export interface LocalOptions {
  /** Marks the processes of this installation among others on the machine. */
  instance: string;
  pool: RunnerPool;
  groups: ControlGroups;
  /** Where programs named without a slash are looked for. */
  path?: string;
}

const signalNames = new Map(Object.entries(os.constants.signals).map(([name, number]) => [number, name]));
/** While somebody else's process is watched, since its end is not told to us. */
const pollInterval = 100;

/** Where a program is: `exec` itself, or the first of its name on PATH. Throws if it cannot be started. */
function findProgram(exec: string, cwd: string, searchPath: string): string {
  const candidates = exec.includes('/')
    ? [path.resolve(cwd, exec)]
    : searchPath.split(':').map((folder) => path.join(folder === '' ? cwd : folder, exec));
  let found: string | undefined;
  for (const candidate of candidates) {
    if (!existsSync(candidate)) continue;
    found = candidate;
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Perhaps a later folder has one that may be executed.
    }
  }
  throw new PenstockError(
    'not-found',
    found === undefined
      ? exec.includes('/')
        ? `exec: there is no program ${exec} on this machine`
        : `exec: there is no program '${exec}' on this machine's PATH (${searchPath})`
      : `exec: ${found} may not be executed`,
  );
}

/** Runs commands on this machine, detached from the server, each in a session of a runner's. */
export function localExecutor(options: LocalOptions): Executor {
  const { instance, pool, groups } = options;
  const boot = bootId();
  const running = new Map<string, { end: Promise<void>; ended: boolean; died: boolean }>();
  /** Jobs that are being run or watched here: the sweep leaves their processes alone. */
  const watched = new Set<string>();
  let lastEnd = 0;

  const statusFile = (folder: string) => path.join(folder, 'status');
  const readStatusFile = (folder: string) => {
    try {
      return readStatus(readFileSync(statusFile(folder), 'latin1'));
    } catch {
      return { ended: false } as const;
    }
  };

  /** All processes that belong to the run, by every mark that there is. The runner itself is not one of them. */
  function membersOf(handle: LocalHandle, all: readonly Process[]): Process[] {
    const runner = handle.runner;
    const runnerLives = runner !== null && lives(runner.pid, runner.start_time);
    const inGroups = groupMembers(handle.groups);
    const members = new Map<number, Process>();
    for (const process of all) {
      if (runner !== null && process.pid === runner.pid) continue;
      if (
        (runnerLives && process.session === runner?.pid) ||
        inGroups.has(process.pid) ||
        variableOf(process.pid, jobVariable) === handle.uuid ||
        usesFolder(process.pid, handle.folder)
      ) {
        if (!isRunner(process.pid)) members.set(process.pid, process);
      }
    }
    // Children of members, should one have shed every mark.
    for (let grown = true; grown; ) {
      grown = false;
      for (const process of all) {
        if (!members.has(process.pid) && members.has(process.parent)) {
          members.set(process.pid, process);
          grown = true;
        }
      }
    }
    return [...members.values()];
  }

  function isRunner(pid: number): boolean {
    try {
      const [, , , name] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return (
        name === 'penstock-runner' &&
        variableOf(pid, jobVariable) === undefined &&
        readProcess(pid)?.session === pid
      );
    } catch {
      return false;
    }
  }

  /** Waits for a run that another server started: it tells only by its status file. */
  async function watch(handle: LocalHandle, signal?: AbortSignal): Promise<void> {
    for (;;) {
      if (readStatusFile(handle.folder).ended) return;
      const runner = handle.runner;
      if (runner === null || handle.boot_id !== boot || !lives(runner.pid, runner.start_time)) return;
      await delay(pollInterval, undefined, { signal });
    }
  }

  function outcomeOf(handle: LocalHandle): Outcome {
    const status = readStatusFile(handle.folder);
    if (!status.ended) {
      const where =
        handle.boot_id === boot ? 'the shell that watched over it is gone' : 'this machine was started anew';
      return ended('lost', `How the program ended is not known: ${where}.`);
    }
    if (status.problem !== null) return ended('platform', status.problem);
    if (ranOutOfMemory(handle.groups)) {
      return { ...ended('oom', 'It used more memory than its limit.'), signal: 'SIGKILL' };
    }
    if (status.signal === null) return exited(status.code);
    return { ...ended('signal'), signal: signalNames.get(status.signal) ?? `SIG${status.signal}` };
  }

  /** Ends what programs left behind when they ended, such as daemons, and what a crash of ours left. */
  async function sweep(): Promise<void> {
    const left = (all: readonly Process[]) =>
      all.filter((process) => {
        const uuid = variableOf(process.pid, jobVariable);
        if (uuid === undefined || watched.has(uuid)) return false;
        return variableOf(process.pid, instanceVariable) === instance;
      });
    if (left(listProcesses()).length > 0) await terminate(left, 1000, () => true);
  }
  let sweeping = false;
  let swept = 0;
  const sweeper = setInterval(() => {
    if (sweeping || swept >= lastEnd) return;
    sweeping = true;
    swept = Date.now();
    void sweep().finally(() => {
      sweeping = false;
    });
  }, 2000);
  sweeper.unref();

  return {
    async start(command: ExecutorCommand, files: ExecutorFiles): Promise<LocalHandle> {
      const searchPath = command.environment.PATH ?? options.path ?? '';
      const exec = findProgram(command.exec, command.cwd, searchPath);
      const { limits } = command;
      const limited = limits.memory !== null || limits.cpus !== null || limits.processes !== null;
      const made = limited ? groups.create(command.uuid, limits) : { folders: [], unkept: [] };
      const noMemoryGroup = made.unkept.includes('memory');
      writeFileSync(
        path.join(files.folder, 'command'),
        commandScript({
          exec,
          argv: command.argv,
          environment: {
            ...command.environment,
            [jobVariable]: command.uuid,
            [instanceVariable]: instance,
          },
          cwd: command.cwd,
          stdin: files.stdin,
          stdout: files.stdout,
          stderr: files.stderr,
          limits: {
            fileSize: limits.fileSize ?? undefined,
            cpuTime: limits.cpuTime ?? undefined,
            addressSpace: noMemoryGroup ? (limits.memory ?? undefined) : undefined,
          },
          groups: made.folders.map((folder) => path.join(folder, 'cgroup.procs')),
        }),
        { mode: 0o600 },
      );
      const run = { end: Promise.resolve(), ended: false, died: false };
      const identity: { runner: ProcessIdentity | null } = { runner: null };
      run.end = new Promise((resolve) => {
        identity.runner = pool.run(files.folder, (died) => {
          run.ended = true;
          run.died = died;
          lastEnd = Date.now();
          resolve();
        });
      });
      running.set(command.uuid, run);
      watched.add(command.uuid);
      return {
        folder: files.folder,
        uuid: command.uuid,
        boot_id: boot,
        runner: identity.runner,
        groups: made.folders,
        unkept_limits: made.unkept.filter((limit) => limit !== 'memory'),
      };
    },

    async wait(given: Handle, signal?: AbortSignal): Promise<Outcome> {
      const handle = given as LocalHandle;
      const run = running.get(handle.uuid);
      await (run?.end ?? watch(handle, signal));
      const outcome = outcomeOf(handle);
      // A dead runner's program may live on, unwatched: nothing of it is left to go on.
      if (outcome.cause === 'lost' || run?.died) {
        await terminate(
          (all) => membersOf(handle, all),
          1000,
          () => true,
        );
      }
      running.delete(handle.uuid);
      watched.delete(handle.uuid);
      groups.remove(handle.groups);
      lastEnd = Date.now();
      return outcome;
    },

    async cancel(given: Handle, killGrace: number) {
      const handle = given as LocalHandle;
      const run = running.get(handle.uuid);
      const over = () =>
        run?.ended ??
        (readStatusFile(handle.folder).ended ||
          handle.runner === null ||
          !lives(handle.runner.pid, handle.runner.start_time));
      return terminate((all) => membersOf(handle, all), killGrace * 1000, over);
    },

    async recover(uuid: string, folder: string, stored: Handle | null): Promise<Handle | 'never-started'> {
      if (existsSync(folder)) {
        try {
          // Whoever makes the status file has the only right to start the job. If it can be made now, nobody
          // has started it, and a runner that still has it in its pipe will find that it comes too late.
          closeSync(openSync(statusFile(folder), 'wx'));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          watched.add(uuid);
          if (stored !== null) return stored;
          const runner = listProcesses().find(
            (process) => isRunner(process.pid) && workingFolder(process.pid) === folder,
          );
          return {
            folder,
            uuid,
            boot_id: boot,
            runner: runner === undefined ? null : { pid: runner.pid, start_time: runner.startTime },
            groups: [],
            unkept_limits: [],
          } satisfies LocalHandle;
        }
      }
      return 'never-started';
    },

    async close(): Promise<void> {
      clearInterval(sweeper);
      pool.close();
    },
  };
}
