import path from 'node:path';
import { groupMembers, groupsIn, removeGroup } from './cgroup.js';

/** The groups that every installation makes: of its jobs and of its runners, by its instance id. */
const made = /^penstock-[0-9a-f]{16}(-runners)?$/;
/** Milliseconds between two looks. A group that is made is entered within moments, and its name is never given twice. */
const interval = 60_000;

/**
 * Removes the empty groups of other installations, such as of data folders that were deleted. One that runs here may
 * have just made a group: only what is empty in two looks, a minute apart, is removed.
 *
 * @param bases the folders in which installations make their groups
 * @param own the names of ours, which we see to ourselves
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
    // A parent of groups stays until they are gone: it goes in a later look.
    before = new Set(
      found.filter((folder) => !before.has(folder) || groupsIn(folder).length > 0 || !removeGroup(folder)),
    );
  };
  const timer = setInterval(look, pause);
  timer.unref();
  return { close: () => clearInterval(timer) };
}
