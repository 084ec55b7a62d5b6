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

/** Milliseconds between two looks whether something has ended since. */
const interval = 2000;
/** Milliseconds between SIGTERM and SIGKILL for what was left behind. */
const grace = 1000;
/** So many processes are looked at before other work has its turn. */
const portion = 50;

/** The job of this installation that a process belongs to by its marks, and null if it belongs to none of this machine's. */
function jobOf({ pid }: Process, instance: string): string | null {
  const uuid = variableOf(pid, jobVariable);
  if (uuid === undefined || variableOf(pid, instanceVariable) !== instance) return null;
  // A run that names its folder is another executor's, whose machine is this one: it clears away itself.
  return variableOf(pid, folderVariable) === undefined ? uuid : null;
}

/** Ends what programs left behind when they ended, such as daemons, and what a crash of ours left. */
export function openSweep({ instance, groups, pool }: SweepOptions) {
  /** Uuids and homes of what is being run, watched or cancelled here, and how often: they are left alone. */
  const held = new Map<string, number>();
  /** Jobs that ended here before the first was started: until then others may still wait to be recovered. */
  const endedEarly = new Set<string>();
  let opened = false;
  /** Groups that still had processes when their job ended. */
  let groupsLeft: string[] = [];
  /** Processes that belong to no job: nobody else's becomes one of ours later. A number and when it was given. */
  let strangers = new Set<string>();
  let wanted = false;
  let closed = false;
  let sweeping: Promise<void> | null = null;

  /** Homes whose runner has gone and whose job is not held: who is still there was left behind. */
  const abandonedHomes = () =>
    opened
      ? groups
          .listHomes()
          .filter((home) => !pool.uses(home) && !held.has(home) && ![...groupMembers([home])].some(isRunner))
      : [];
  const isLeft = (uuid: string) => !held.has(uuid) && (opened || endedEarly.has(uuid));
  const inGroups = () =>
    [...groupMembers([...groupsLeft, ...abandonedHomes()])].flatMap((pid) => readProcess(pid) ?? []);

  /** Who carries the marks of a job that has ended. The whole machine is looked at, bit by bit. */
  async function marked(): Promise<Map<string, Process[]>> {
    const found = new Map<string, Process[]>();
    const known = new Set<string>();
    const all = listProcesses();
    for (const [index, process] of all.entries()) {
      if (index % portion === portion - 1) await breathe();
      const key = `${process.pid}:${process.startTime}`;
      const uuid = strangers.has(key) ? null : jobOf(process, instance);
      // A runner's child has its job's marks only once it has become the program: a shell is looked at again.
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
      // What they had started meanwhile is found by another look.
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
    /** From now on all that is to be held is known: what a server before this one left is looked for, too. */
    open(): void {
      wanted ||= !opened;
      opened = true;
    },
    /** Something has ended, and may have left something behind: of that job, in these groups. */
    ended(uuid?: string, left: readonly string[] = []): void {
      if (uuid !== undefined && !opened) endedEarly.add(uuid);
      groupsLeft.push(...left);
      wanted = true;
    },
    /** Ends nothing more. */
    async close(): Promise<void> {
      closed = true;
      clearInterval(sweeper);
      await sweeping;
    },
  };
}
