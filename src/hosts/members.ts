import { readFileSync, realpathSync } from 'node:fs';
import { groupMembers } from './cgroup.js';
import { listProcesses, lives, type Process, readProcess, usesFolder, variableOf } from './processes.js';
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
  groups: readonly string[];
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

/**
 * All processes that belong to a run, by every mark that there is. The runner itself is not one of them.
 *
 * @param thorough false if the members of its control groups are enough, where there are any: they are found without
 *   a look at every process of the machine
 * @param kept asked after the processes were listed: whether the runner has had no other job since
 * @param died whether the runner is known to have died just now
 */
export function membersOf(
  marks: RunMarks,
  options: { thorough: boolean; kept: () => boolean; died: boolean },
): Process[] {
  const { runner } = marks;
  // Before the question whether the runner has had no other job since: what is listed now was not of a later one.
  const all = options.thorough ? listProcesses() : null;
  const homeMembers = marks.home ? groupMembers([marks.home]) : new Set<number>();
  const kept = options.kept();
  const inGroups = groupMembers(marks.groups);
  if (kept) for (const pid of homeMembers) inGroups.add(pid);
  const mine = (pid: number) => pid !== runner?.pid && pid !== globalThis.process.pid && !isRunner(pid);
  if (all === null) {
    const members = [...inGroups].flatMap((pid) => (mine(pid) ? (readProcess(pid) ?? []) : []));
    if (members.length > 0 || (kept && homeMembers.size > 0)) return members;
  }
  // A dead leader's session keeps its number only while somebody is in it: a fresh death is certain, an old one not.
  const sure = kept && runner !== null && (options.died || lives(runner.pid, runner.start_time));
  return markedOf(marks, all ?? listProcesses(), inGroups, sure ? runner.pid : null).filter(({ pid }) =>
    mine(pid),
  );
}

function markedOf(
  marks: RunMarks,
  all: readonly Process[],
  inGroups: ReadonlySet<number>,
  session: number | null,
): Process[] {
  const { runner } = marks;
  const folder = realFolder(marks.folder);
  const members = new Map<number, Process>();
  for (const process of all) {
    if (process.pid === runner?.pid || process.pid === globalThis.process.pid || isRunner(process.pid))
      continue;
    if (
      process.session === session ||
      inGroups.has(process.pid) ||
      variableOf(process.pid, jobVariable) === marks.uuid ||
      (!process.terminal && usesFolder(process.pid, folder))
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
