import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ended, type Outcome } from '../domain/outcome.js';
import { PenstockError } from '../errors.js';
import { findProgramAs } from '../hosts/as-user.js';
import { type ControlGroups, groupMembers, ranOutOfMemory } from '../hosts/cgroup.js';
import {
  folderVariable,
  instanceVariable,
  isRunner,
  jobVariable,
  membersOf,
  realFolder,
} from '../hosts/members.js';
import { argumentProblem } from '../hosts/own-limits.js';
import {
  bootId,
  listProcesses,
  lives,
  type Process,
  readProcess,
  variableOf,
  workingFolder,
} from '../hosts/processes.js';
import { commandScript } from '../hosts/runner.js';
import type { Placement, ProcessIdentity, RunEnd, RunnerPool } from '../hosts/runner-pool.js';
import { signalProcess } from '../hosts/signal.js';
import { neverBegun, readStatusFile, statusEnded, statusFile, statusOutcome } from '../hosts/status-file.js';
import { terminate } from '../hosts/terminate.js';
import type { Executor, ExecutorCommand, ExecutorFiles, Handle } from './executor.js';

interface LocalHandle extends Handle {
  uuid: string;
  boot_id: string;
  runner: ProcessIdentity | null;
  /** The control group that its runner lives in, with all that comes of the program. */
  home?: string | null;
  /** Control groups that keep its limits. */
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

/** An attempt's groups are its own: what another attempt left must not count against it. */
const groupName = (uuid: string, folder: string) => `${uuid}.${path.basename(folder)}`;

/** Runs commands on this machine, detached from the server, each in a session of a runner's. */
export function localExecutor(options: LocalOptions): Executor {
  const { instance, pool, groups } = options;
  pool.liveIn(groups);
  const boot = bootId();
  const running = new Map<string, { folder: string; end: Promise<void>; how: RunEnd | null }>();
  /** Uuids and homes of what is being run, watched or cancelled here, and how often: the sweep leaves it alone. */
  const held = new Map<string, number>();
  const hold = (handle: LocalHandle, by: 1 | -1) => {
    for (const key of [handle.uuid, handle.home]) {
      if (key === null || key === undefined) continue;
      const count = (held.get(key) ?? 0) + by;
      if (count > 0) held.set(key, count);
      else held.delete(key);
    }
  };
  /** Jobs that ended here before the first was started: until then others may still wait to be recovered. */
  const endedEarly = new Set<string>();
  let opened = false;
  let lastEnd = 0;
  /** Groups that still had processes when their job ended. */
  let groupsLeft: string[] = [];

  const runnerLives = ({ runner, boot_id }: LocalHandle): boolean =>
    runner !== null && boot_id === boot && lives(runner.pid, runner.start_time);
  const members = (handle: LocalHandle, thorough: boolean): Process[] =>
    membersOf(handle, {
      thorough,
      kept: () =>
        handle.runner !== null && handle.boot_id === boot && pool.keeps(handle.runner, handle.folder),
      died: runOf(handle)?.how === 'died',
    });

  /** A run of this server's, or undefined if another one started it or it has been waited for. */
  function runOf(handle: LocalHandle) {
    const run = running.get(handle.uuid);
    return run?.folder === handle.folder ? run : undefined;
  }

  /** The handle of a run that was begun, but whose handle is not known any more. */
  function foundHandle(uuid: string, folder: string): LocalHandle {
    const real = realFolder(folder);
    const runner = listProcesses().find(({ pid }) => isRunner(pid) && workingFolder(pid) === real);
    const home =
      runner === undefined
        ? undefined
        : groups.listHomes().find((one) => groupMembers([one]).has(runner.pid));
    return {
      folder,
      uuid,
      boot_id: boot,
      runner: runner === undefined ? null : { pid: runner.pid, start_time: runner.startTime },
      home: home ?? null,
      groups: groups.find(groupName(uuid, folder)),
      unkept_limits: [],
    };
  }

  function outcomeOf(handle: LocalHandle): Outcome {
    const status = readStatusFile(handle.folder);
    if (!status.ended) {
      const how = runOf(handle)?.how ?? null;
      if (how === 'refused' || (how !== 'ended' && neverBegun(handle.folder))) {
        return ended('platform', 'The shell that was to run the program could not begin it.');
      }
      const where =
        handle.boot_id !== boot
          ? 'this machine was started anew'
          : how === 'ended'
            ? 'its exit status could not be written, or was taken away'
            : 'the shell that watched over it is gone';
      return ended('lost', `How the program ended is not known: ${where}.`);
    }
    if (status.problem === null && ranOutOfMemory(handle.groups)) {
      return { ...ended('oom', 'It used more memory than its limit.'), signal: 'SIGKILL' };
    }
    return statusOutcome(status);
  }

  /** Ends what programs left behind when they ended, such as daemons, and what a crash of ours left. */
  async function sweep(): Promise<void> {
    const left = () => {
      if (closed) return [];
      const all = listProcesses();
      const abandoned = groupMembers([...groupsLeft, ...abandonedHomes()]);
      return all.filter((process) => {
        const uuid = variableOf(process.pid, jobVariable);
        if (uuid === undefined) return abandoned.has(process.pid);
        if (held.has(uuid) || !(opened || endedEarly.has(uuid))) return false;
        // A run that names its folder is another executor's, whose machine is this one: it clears away itself.
        if (variableOf(process.pid, folderVariable) !== undefined) return false;
        return variableOf(process.pid, instanceVariable) === instance;
      });
    };
    if (left().length > 0) await terminate(left, 1000, () => true);
    groupsLeft = groups.remove(groupsLeft);
    groups.remove(abandonedHomes());
  }

  /** Homes whose runner has gone and whose job is not held: who is still there was left behind. */
  function abandonedHomes(): string[] {
    if (!opened) return [];
    return groups
      .listHomes()
      .filter((home) => !pool.uses(home) && !held.has(home) && ![...groupMembers([home])].some(isRunner));
  }
  let sweeping: Promise<void> | null = null;
  let swept = 0;
  let closed = false;
  const sweeper = setInterval(() => {
    if (sweeping !== null || swept >= lastEnd) return;
    swept = Date.now();
    sweeping = sweep().finally(() => {
      sweeping = null;
    });
  }, 2000);
  sweeper.unref();

  return {
    async start(command: ExecutorCommand, files: ExecutorFiles): Promise<LocalHandle> {
      const tooLong = argumentProblem(command.argv, command.environment);
      if (tooLong !== undefined) throw new PenstockError('too-large', tooLong);
      const searchPath = command.environment.PATH ?? options.path ?? '';
      const { user, cwd } = command;
      const { program, prefix } = await findProgramAs(user, command.exec, cwd, searchPath);
      const known = running.get(command.uuid);
      if (known?.folder === files.folder || existsSync(statusFile(files.folder))) {
        const handle = foundHandle(command.uuid, files.folder);
        hold(handle, 1);
        return handle;
      }
      const { limits } = command;
      const limited = limits.memory !== null || limits.cpus !== null || limits.processes !== null;
      const made = limited
        ? groups.create(groupName(command.uuid, files.folder), limits)
        : { folders: [], unkept: [] };
      const noMemoryGroup = made.unkept.includes('memory');
      const marks = { [jobVariable]: command.uuid, [instanceVariable]: instance };
      writeFileSync(
        path.join(files.folder, 'command'),
        commandScript({
          prefix: [...prefix, ...(command.before ?? [])],
          exec: program,
          argv: command.argv,
          environment: { ...command.environment, ...marks },
          cwd,
          stdin: files.stdin,
          stdout: files.stdout,
          stderr: files.stderr,
          append: files.append === true,
          companions: files.companions,
          marks,
          limits: {
            fileSize: limits.fileSize ?? undefined,
            cpuTime: limits.cpuTime ?? undefined,
            addressSpace: noMemoryGroup ? (limits.memory ?? undefined) : undefined,
          },
          groups: made.folders.map((folder) => path.join(folder, 'cgroup.procs')),
        }),
        { mode: 0o600 },
      );
      const run = { folder: files.folder, end: Promise.resolve(), how: null as RunEnd | null };
      const given: { placement: Placement | null } = { placement: null };
      run.end = new Promise((resolve) => {
        given.placement = pool.run(files.folder, (how) => {
          run.how = how;
          lastEnd = Date.now();
          resolve();
        });
      });
      const handle = {
        folder: files.folder,
        uuid: command.uuid,
        boot_id: boot,
        runner: given.placement?.runner ?? null,
        home: given.placement?.home ?? null,
        groups: made.folders,
        unkept_limits: made.unkept.filter((limit) => limit !== 'memory'),
      };
      running.set(command.uuid, run);
      opened = true;
      hold(handle, 1);
      return handle;
    },

    async wait(given: Handle, signal?: AbortSignal): Promise<Outcome> {
      const handle = given as LocalHandle;
      const run = runOf(handle);
      await (run?.end ?? statusEnded(handle.folder, () => runnerLives(handle), signal));
      const outcome = outcomeOf(handle);
      // A dead runner's program may live on, unwatched: nothing of it is left to go on.
      if (outcome.cause === 'lost' || run?.how === 'died') {
        await terminate(
          (thorough) => members(handle, thorough),
          1000,
          () => true,
        );
      }
      if (run !== undefined) running.delete(handle.uuid);
      if (!opened) endedEarly.add(handle.uuid);
      hold(handle, -1);
      groupsLeft.push(...groups.remove(handle.groups));
      lastEnd = Date.now();
      return outcome;
    },

    async cancel(given: Handle, killGrace: number) {
      const handle = given as LocalHandle;
      const { runner } = handle;
      const run = runOf(handle);
      const over = () => {
        if (run !== undefined) return run.how !== null;
        return !runnerLives(handle) || readStatusFile(handle.folder).ended;
      };
      hold(handle, 1);
      try {
        return await terminate(
          (thorough) => {
            // A program can stop its runner, too (`kill -STOP 0`), which then would never tell of the end.
            if (runner !== null && !over() && readProcess(runner.pid)?.state === 'T') {
              signalProcess({ pid: runner.pid, startTime: runner.start_time }, 'SIGCONT');
            }
            return members(handle, thorough);
          },
          killGrace * 1000,
          over,
        );
      } finally {
        hold(handle, -1);
        lastEnd = Date.now();
      }
    },

    async recover(uuid: string, folder: string, stored: Handle | null): Promise<Handle | 'never-started'> {
      if (!existsSync(folder) || neverBegun(folder)) return 'never-started';
      const handle = (stored as LocalHandle | null) ?? foundHandle(uuid, folder);
      hold(handle, 1);
      return handle;
    },

    async close(): Promise<void> {
      closed = true;
      clearInterval(sweeper);
      // Who comes after us has jobs of its own, which this sweep knows nothing of.
      await sweeping;
      pool.close();
    },
  };
}
