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

/** Every process of a job carries these in its environment, however it detaches itself. */
export const jobVariable = 'PENSTOCK_JOB_UUID';
export const instanceVariable = 'PENSTOCK_INSTANCE';
/** On another machine: the attempt's folder, with a slash. Two attempts of a job may be there at once. */
export const folderVariable = 'PENSTOCK_JOB_FOLDER';

/** What is known of a run by which its processes can be told from all others. */
export interface RunMarks {
  uuid: string;
  folder: string;
  runner: ProcessIdentity | null;
  /** The control group that its runner lives in. */
  home?: string | null;
  /** True if its runner is given whatever detaches itself. */
  reaper?: boolean;
  groups: readonly string[];
  /** When it began: nothing of it is older. */
  began?: Moment;
}

/** The processes of a run, as of now, and why there may be others; null where there certainly are none. */
export interface Found {
  members: Process[];
  unproven: string | null;
}

/** The folder as the kernel calls it: the data may lie behind a symbolic link. */
export function realFolder(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder;
  }
}

/** True for a runner of ours itself, as opposed to what it has forked. */
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
  'A process that had left the session and cleared its environment would not be found: this server may use no control groups, and there is no perl or python3 here.';
const watcherGone =
  'A process that had left the session and cleared its environment would not be found: the shell that watched over the program is gone.';

/**
 * The processes that belong to a run. The runner itself is not one of them. A control group holds them all, and a runner
 * that is given its orphaned descendants is above them all: where there is one of these, nothing else has to be looked
 * at. Otherwise they are told by their marks, among all processes that are not older than the run.
 *
 * @param kept whether the runner has had no other job since; it takes one only when nothing was left behind
 * @param died whether the runner is known to have died just now
 * @param noted whether the runner has noted the program's end: then it leaves only when nothing is left
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
    // A runner that could not enter its home holds nothing together.
    if (!watched || inside.has(runner.pid)) {
      for (const pid of inside) inGroups.add(pid);
      return { members: listed().filter(mine), unproven: null };
    }
  }
  if (marks.reaper === true && watched) {
    const below = new Map([...listed(), ...descendantsOf(runner.pid)].map((one) => [one.pid, one]));
    return { members: [...below.values()].filter(mine), unproven: null };
  }
  // A dead leader's session keeps its number only while somebody is in it: a fresh death is certain, an old one not.
  const session = kept && (died || watched) ? (runner?.pid ?? null) : null;
  return {
    members: markedOf(marks, inGroups, session).filter((one) => mine(one) && !isRunner(one.pid)),
    unproven: marks.reaper !== true && !tracked ? noWay : noted() ? null : watcherGone,
  };
}

/** The processes that carry a mark of the run, and their children. */
function markedOf(
  { uuid, folder, began }: RunMarks,
  inGroups: ReadonlySet<number>,
  session: number | null,
): Process[] {
  if (began !== undefined && began.boot_id !== bootId()) return [];
  const real = realFolder(folder);
  // Only what is younger need be looked at closely. The clock and the kernel may round differently.
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
