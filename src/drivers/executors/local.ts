import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ended, type Outcome } from '../../domain/jobs/outcome.js';
import type { Moment } from '../../domain/moment.js';
import { PenstockError } from '../../lib/errors.js';
import { findProgramAs } from '../processes/as-user.js';
import { thisMoment } from '../processes/boot-clock.js';
import { type ControlGroups, groupMembers, ranOutOfMemory } from '../processes/cgroups/cgroup.js';
import { openGoneGroups } from '../processes/cgroups/gone-groups.js';
import { release } from '../processes/cgroups/still.js';
import {
  type Found,
  instanceVariable,
  isRunner,
  jobVariable,
  membersOf,
  realFolder,
} from '../processes/members.js';
import { argumentProblem } from '../processes/own-limits.js';
import {
  bootId,
  descendantsOf,
  listProcesses,
  lives,
  readProcess,
  ticksPerSecond,
  workingFolder,
} from '../processes/processes.js';
import { commandScript } from '../processes/runner.js';
import type { Placement, ProcessIdentity, RunEnd, RunnerPool } from '../processes/runner-pool.js';
import { signalProcess } from '../processes/signal.js';
import {
  neverBegun,
  readStatusFile,
  statusEnded,
  statusFile,
  statusOutcome,
} from '../processes/status-file.js';
import { type Quarry, terminate } from '../processes/terminate.js';
import type { Executor, ExecutorCommand, ExecutorFiles, Handle } from './executor.js';
import { openSweep } from './local-sweep.js';

interface LocalHandle extends Handle {
  uuid: string;
  boot_id: string;
  runner: ProcessIdentity | null;
  /** The control group of its runner and of everything that the program starts. */
  home?: string | null;
  /** True if its runner becomes the parent of processes that detach from the program. */
  reaper?: boolean;
  /** Control groups that keep its limits. */
  groups: string[];
  /** Limits that this machine cannot enforce. */
  unkept_limits: string[];
}

interface LocalOptions {
  /** Marks the processes of this installation among others on the machine. */
  instance: string;
  pool: RunnerPool;
  groups: ControlGroups;
  /** The search path for programs named without a slash. */
  path?: string;
}

interface LocalExecutor extends Executor {
  /** Every job from before the restart has been recovered: anything else with our marks was left behind. */
  allRecovered(): void;
}

/** Each attempt has its own groups: what another attempt left must not count against it. */
const groupName = (uuid: string, folder: string) => `${uuid}.${path.basename(folder)}`;

/** Runs commands on this machine, detached from the server, each in a session of a runner's. */
export function localExecutor(options: LocalOptions): LocalExecutor {
  const { instance, pool, groups } = options;
  pool.liveIn(groups);
  const boot = bootId();
  const running = new Map<string, { folder: string; end: Promise<void>; how: RunEnd | null }>();
  const sweep = openSweep({ instance, groups, pool });
  const keysOf = ({ uuid, home }: LocalHandle) =>
    home === null || home === undefined ? [uuid] : [uuid, home];
  const hold = (handle: LocalHandle, by: 1 | -1) => sweep.hold(keysOf(handle), by);
  const goneGroups = openGoneGroups(groups.bases, groups.names);
  // If we were killed while groups were frozen, they still are.
  for (const home of groups.listHomes()) release(home);

  const runnerLives = ({ runner, boot_id }: LocalHandle): boolean =>
    runner !== null && boot_id === boot && lives(runner.pid, runner.start_time);
  const look = (handle: LocalHandle): Found =>
    membersOf(handle, {
      kept: handle.runner !== null && handle.boot_id === boot && pool.keeps(handle.runner, handle.folder),
      died: runOf(handle)?.how === 'died',
      noted: () => readStatusFile(handle.folder).ended,
    });
  const quarryOf = (handle: LocalHandle): Omit<Quarry, 'over'> => ({
    look: () => look(handle),
    groups: [...(handle.home ? [handle.home] : []), ...handle.groups],
  });

  /** A run of this process, or undefined if an earlier process started it or its end has been reported. */
  function runOf(handle: LocalHandle) {
    const run = running.get(handle.uuid);
    return run?.folder === handle.folder ? run : undefined;
  }

  /** A handle for a run that was started but whose handle is unknown. */
  function foundHandle(uuid: string, folder: string): LocalHandle {
    const real = realFolder(folder);
    const runner = listProcesses().find(({ pid }) => isRunner(pid) && workingFolder(pid) === real);
    const home =
      runner === undefined
        ? undefined
        : groups.listHomes().find((one) => groupMembers([one]).has(runner.pid));
    // The program is the oldest of its children.
    const children = runner === undefined ? [] : descendantsOf(runner.pid);
    const oldest = Math.min(...children.map(({ startTime }) => startTime / ticksPerSecond));
    const began: Moment = { ...thisMoment(), ...(Number.isFinite(oldest) ? { seconds: oldest } : {}) };
    return {
      folder,
      uuid,
      boot_id: boot,
      runner: runner === undefined ? null : { pid: runner.pid, start_time: runner.startTime },
      home: home ?? null,
      began,
      groups: groups.find(groupName(uuid, folder)),
      unkept_limits: [],
    };
  }

  function outcomeOf(handle: LocalHandle): Outcome {
    const status = readStatusFile(handle.folder);
    if (!status.ended) {
      const how = runOf(handle)?.how ?? null;
      if (how === 'refused' || (how !== 'ended' && neverBegun(handle.folder))) {
        return ended('platform', 'The shell that was meant to run the program could not start it.');
      }
      const where =
        handle.boot_id !== boot
          ? 'this machine was restarted'
          : how === 'ended'
            ? 'its exit status could not be written, or was deleted'
            : 'the shell that supervised it is gone';
      return ended('lost', `How the program ended is unknown: ${where}.`);
    }
    if (status.problem === null && ranOutOfMemory(handle.groups)) {
      return { ...ended('oom', 'It used more memory than its limit.'), signal: 'SIGKILL' };
    }
    return statusOutcome(status);
  }

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
      const began = thisMoment();
      const run = { folder: files.folder, end: Promise.resolve(), how: null as RunEnd | null };
      const given: { placement: Placement | null } = { placement: null };
      run.end = new Promise((resolve) => {
        given.placement = pool.run(files.folder, (how) => {
          run.how = how;
          sweep.ended();
          resolve();
        });
      });
      const handle = {
        folder: files.folder,
        uuid: command.uuid,
        boot_id: boot,
        runner: given.placement?.runner ?? null,
        home: given.placement?.home ?? null,
        reaper: given.placement?.reaper === true,
        began,
        groups: made.folders,
        unkept_limits: made.unkept.filter((limit) => limit !== 'memory'),
      };
      running.set(command.uuid, run);
      sweep.open();
      hold(handle, 1);
      return handle;
    },

    async wait(given: Handle, signal?: AbortSignal): Promise<Outcome> {
      const handle = given as LocalHandle;
      const run = runOf(handle);
      await (run?.end ?? statusEnded(handle.folder, () => runnerLives(handle), signal));
      const outcome = outcomeOf(handle);
      // A dead runner's program may live on unsupervised: all of it is ended.
      if (outcome.cause === 'lost' || run?.how === 'died') {
        await terminate({ ...quarryOf(handle), over: () => true }, 1000);
      }
      if (run !== undefined) running.delete(handle.uuid);
      hold(handle, -1);
      sweep.ended(handle.uuid, groups.remove(handle.groups));
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
        const quarry: Quarry = {
          ...quarryOf(handle),
          look: () => {
            // A program can also stop its runner (`kill -STOP 0`), which would then never report the end.
            if (runner !== null && !over() && readProcess(runner.pid)?.state === 'T') {
              signalProcess({ pid: runner.pid, startTime: runner.start_time }, 'SIGCONT');
            }
            return look(handle);
          },
          over,
          ended: run?.end,
        };
        return await terminate(quarry, killGrace * 1000);
      } finally {
        hold(handle, -1);
        sweep.ended();
      }
    },

    async recover(uuid: string, folder: string, stored: Handle | null): Promise<Handle | 'never-started'> {
      // A run whose handle was stored was started, whatever has become of its folder.
      if (existsSync(folder) ? neverBegun(folder) : stored === null) return 'never-started';
      const handle = (stored as LocalHandle | null) ?? foundHandle(uuid, folder);
      hold(handle, 1);
      return handle;
    },

    allRecovered: sweep.open,

    async close(): Promise<void> {
      // The next process has its own jobs, which this sweep does not know.
      goneGroups.close();
      await sweep.close();
      pool.close();
    },
  };
}
