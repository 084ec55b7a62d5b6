import { setImmediate as breathe } from 'node:timers/promises';
import { type ControlGroups, groupMembers } from '../processes/cgroups/cgroup.js';
import { folderVariable, instanceVariable, isRunner, jobVariable } from '../processes/members.js';
import { listProcesses, type Process, readProcess, variableOf } from '../processes/processes.js';
import type { RunnerPool } from '../processes/runner-pool.js';
import { terminate } from '../processes/terminate.js';

interface SweepOptions {
  /** Marks the processes of this installation among others on the machine. */
  instance: string;
  groups: ControlGroups;
  pool: RunnerPool;
}

/** Milliseconds between two checks whether anything has ended since. */
const interval = 2000;
/** Milliseconds between SIGTERM and SIGKILL for what was left behind. */
const grace = 1000;
/** How many processes to check before other work gets its turn. */
const portion = 50;

/** The job of this installation that a process belongs to by its marks, and null if it belongs to none of this machine's. */
function jobOf({ pid }: Process, instance: string): string | null {
  const uuid = variableOf(pid, jobVariable);
  if (uuid === undefined || variableOf(pid, instanceVariable) !== instance) return null;
  // A run that names its folder belongs to a remote executor whose machine is this one: it cleans up itself.
  return variableOf(pid, folderVariable) === undefined ? uuid : null;
}

/** Ends processes that programs left behind, such as daemons, and those left by a crash of ours. */
export function openSweep({ instance, groups, pool }: SweepOptions) {
  /** UUIDs and homes of runs that are being run, watched or cancelled here, and how many times: they are left alone. */
  const held = new Map<string, number>();
  /** Jobs that ended here before the first was started: until then other jobs may still wait to be recovered. */
  const endedEarly = new Set<string>();
  let opened = false;
  /** Groups that still had processes when their job ended. */
  let groupsLeft: string[] = [];
  /** Processes that belong to no job: such a process never becomes ours later. Keys are a pid and its start time. */
  let strangers = new Set<string>();
  let wanted = false;
  let closed = false;
  let sweeping: Promise<void> | null = null;

  /** Homes whose runner has gone and whose job is not held: processes still in them were left behind. */
  const abandonedHomes = () =>
    opened
      ? groups
          .listHomes()
          .filter((home) => !pool.uses(home) && !held.has(home) && ![...groupMembers([home])].some(isRunner))
      : [];
  const isLeft = (uuid: string) => !held.has(uuid) && (opened || endedEarly.has(uuid));
  const inGroups = () =>
    [...groupMembers([...groupsLeft, ...abandonedHomes()])].flatMap((pid) => readProcess(pid) ?? []);

  /** Processes with the marks of an ended job. All processes of the machine are checked, bit by bit. */
  async function marked(): Promise<Map<string, Process[]>> {
    const found = new Map<string, Process[]>();
    const known = new Set<string>();
    const all = listProcesses();
    for (const [index, process] of all.entries()) {
      if (index % portion === portion - 1) await breathe();
      const key = `${process.pid}:${process.startTime}`;
      const uuid = strangers.has(key) ? null : jobOf(process, instance);
      // A runner's child has its job's marks only once it has become the program: a shell is checked again.
      if (uuid === null && process.name !== 'sh') known.add(key);
      if (uuid !== null) found.set(uuid, [...(found.get(uuid) ?? []), process]);
    }
    strangers = known;
    return found;
  }

  async function sweep(): Promise<void> {
    const found = await marked();
    const left = () => {
      if (closed) return [];
      const mine = [...found].flatMap(([uuid, processes]) => (isLeft(uuid) ? processes : []));
      const now = mine.flatMap(({ pid, startTime }) => {
        const process = readProcess(pid);
        return process?.startTime === startTime ? [process] : [];
      });
      return [...new Map([...now, ...inGroups()].map((process) => [process.pid, process])).values()];
    };
    if (left().length > 0) {
      const quarry = { look: () => ({ members: left(), unproven: null }), over: () => true };
      const { survivors } = await terminate(quarry, grace);
      // Another round finds processes that they started meanwhile.
      wanted ||= survivors.length === 0;
    }
    groupsLeft = groups.remove(groupsLeft);
    groups.remove(abandonedHomes());
  }

  const sweeper = setInterval(() => {
    if (sweeping !== null || !wanted) return;
    wanted = false;
    sweeping = sweep().finally(() => {
      sweeping = null;
    });
  }, interval);
  sweeper.unref();

  return {
    /** Leaves these uuids and homes alone (1), or no longer (-1). */
    hold(keys: readonly string[], by: 1 | -1): void {
      for (const key of keys) {
        const count = (held.get(key) ?? 0) + by;
        if (count > 0) held.set(key, count);
        else held.delete(key);
      }
    },
    /** From now on everything to hold is known, so leftovers from before the restart are ended as well. */
    open(): void {
      wanted ||= !opened;
      opened = true;
    },
    /** Something has ended, and that job may have left processes in these groups. */
    ended(uuid?: string, left: readonly string[] = []): void {
      if (uuid !== undefined && !opened) endedEarly.add(uuid);
      groupsLeft.push(...left);
      wanted = true;
    },
    /** Stops sweeping. */
    async close(): Promise<void> {
      closed = true;
      clearInterval(sweeper);
      await sweeping;
    },
  };
}
