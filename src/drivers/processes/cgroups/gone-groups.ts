import path from 'node:path';
import { groupMembers, groupsIn, removeGroup } from './cgroup.js';

/** The names of every installation's groups, for its jobs and its runners, with its instance id. */
const made = /^penstock-[0-9a-f]{16}(-runners)?$/;
/** Milliseconds between two checks. A new group is entered within moments, and its name is never reused. */
const interval = 60_000;

/**
 * Removes the empty groups of other installations, such as those whose data folder was deleted. A running installation
 * may just have made a group, so only groups that are empty in two checks, a minute apart, are removed.
 *
 * @param bases the folders in which installations make their groups
 * @param own our own names, which are left alone
 */
export function openGoneGroups(bases: readonly string[], own: readonly string[], pause = interval) {
  let before = new Set<string>();
  const look = () => {
    const foreign = bases
      .flatMap(groupsIn)
      .filter((folder) => made.test(path.basename(folder)) && !own.includes(path.basename(folder)));
    const found = [...foreign.flatMap(groupsIn), ...foreign].filter(
      (folder) => groupMembers([folder]).size === 0,
    );
    // A group with subgroups is removed in a later check, once they are gone.
    before = new Set(
      found.filter((folder) => !before.has(folder) || groupsIn(folder).length > 0 || !removeGroup(folder)),
    );
  };
  const timer = setInterval(look, pause);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
