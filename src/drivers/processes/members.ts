import { readFileSync, realpathSync } from 'node:fs';
import type { Moment } from '../../domain/moment.js';
import { sinceBoot } from './boot-clock.js';
import { groupMembers } from './cgroups/cgroup.js';
import {
  bootId,
  descendantsOf,
  listProcesses,
  lives,
  type Process,
  readProcess,
  ticksPerSecond,
  usesFolder,
  variableOf,
} from './processes.js';
import type { ProcessIdentity } from './runner-pool.js';

/** Every process of a job has this in its environment, however it detaches itself. */
export const jobVariable = 'PENSTOCK_JOB_UUID';
export const instanceVariable = 'PENSTOCK_INSTANCE';
/** On another machine: the attempt's folder, with a slash, since two attempts of a job may be there at once. */
export const folderVariable = 'PENSTOCK_JOB_FOLDER';

/** The marks of a run that identify its processes. */
export interface RunMarks {
  uuid: string;
  folder: string;
  runner: ProcessIdentity | null;
  /** The control group that its runner lives in. */
  home?: string | null;
  /** True if its runner becomes the parent of processes that detach. */
  reaper?: boolean;
  groups: readonly string[];
  /** When it began: none of its processes is older. */
  began?: Moment;
}

/** The current processes of a run, and why there may be others; null if there certainly are none. */
export interface Found {
  members: Process[];
  unproven: string | null;
}

/** The folder's path as the kernel shows it: the data may be behind a symbolic link. */
export function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** True for one of our runners itself, not for a process that it has forked. */
export function isRunner(pid: number): boolean {
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

const noWay =
  'A process that left the session and cleared its environment would not be found: this server may not use control groups, and there is no perl or python3 here.';
const watcherGone =
  'A process that left the session and cleared its environment would not be found: the shell that supervised the program is gone.';

/**
 * The processes that belong to a run. The runner itself is not one of them. A control group holds all of them, and a
 * runner that adopts orphaned descendants is above all of them: with one of these, nothing else needs checking.
 * Otherwise they are identified by their marks among all processes that are not older than the run.
 *
 * @param kept whether the runner has had no other job since; it takes another only if nothing was left behind
 * @param died whether the runner is known to have just died
 * @param noted whether the runner has recorded the program's end: then it leaves only when nothing is left
 */
export function membersOf(
  marks: RunMarks,
  { kept, died, noted }: { kept: boolean; died: boolean; noted: () => boolean },
): Found {
  const { runner, home, groups } = marks;
  const mine = ({ pid }: Process) => pid !== runner?.pid && pid !== process.pid;
  const inGroups = groupMembers(groups);
  const listed = () => [...inGroups].flatMap((pid) => readProcess(pid) ?? []);
  const watched = runner !== null && lives(runner.pid, runner.start_time);
  const tracked = home !== undefined && home !== null;
  if (!kept && (tracked || marks.reaper === true)) return { members: listed().filter(mine), unproven: null };
  if (tracked) {
    const inside = groupMembers([home]);
    // If the runner could not enter its home, the home does not hold the run's processes.
    if (!watched || inside.has(runner.pid)) {
      for (const pid of inside) inGroups.add(pid);
      return { members: listed().filter(mine), unproven: null };
    }
  }
  if (marks.reaper === true && watched) {
    const below = new Map([...listed(), ...descendantsOf(runner.pid)].map((one) => [one.pid, one]));
    return { members: [...below.values()].filter(mine), unproven: null };
  }
  // A dead leader's session id stays reserved only while the session has processes: it is safe right after the death,
  // but not later.
  const session = kept && (died || watched) ? (runner?.pid ?? null) : null;
  return {
    members: markedOf(marks, inGroups, session).filter((one) => mine(one) && !isRunner(one.pid)),
    unproven: marks.reaper !== true && !tracked ? noWay : noted() ? null : watcherGone,
  };
}

/** The processes with a mark of the run, and their children. */
function markedOf(
  { uuid, folder, began }: RunMarks,
  inGroups: ReadonlySet<number>,
  session: number | null,
): Process[] {
  if (began !== undefined && began.boot_id !== bootId()) return [];
  const real = realFolder(folder);
  // Only younger processes need a closer check. The clock and the kernel may round differently.
  const oldest = Math.min(began?.seconds ?? 0, sinceBoot()) * ticksPerSecond - ticksPerSecond / 10;
  const all = listProcesses().filter(({ startTime }) => startTime >= oldest);
  const members = new Map<number, Process>();
  for (const process of all) {
    if (
      process.session === session ||
      inGroups.has(process.pid) ||
      variableOf(process.pid, jobVariable) === uuid ||
      (!process.terminal && usesFolder(process.pid, real))
    ) {
      members.set(process.pid, process);
    }
  }
  // Also children of members, in case one has lost every mark.
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
