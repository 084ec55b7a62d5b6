import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How a control group is held still, by the file that the kernel offers: the second version's, or the first's freezer. */
const kinds = [
  {
    file: 'cgroup.freeze',
    hold: '1',
    release: '0',
    holds: (group: string) => /^frozen 1$/m.test(readFileSync(path.join(group, 'cgroup.events'), 'utf8')),
  },
  {
    file: 'freezer.state',
    hold: 'FROZEN',
    release: 'THAWED',
    holds: (group: string) => readFileSync(path.join(group, 'freezer.state'), 'utf8').trim() === 'FROZEN',
  },
];

/** Milliseconds that may pass until all stand still: one that waits for a disk takes its time, and is killed as it is. */
const patience = 200;

const kindOf = (group: string) => kinds.find(({ file }) => existsSync(path.join(group, file)));

/** Lets a group go on, if it was held still. */
export function release(group: string): void {
  const kind = kindOf(group);
  try {
    if (kind !== undefined) writeFileSync(path.join(group, kind.file), kind.release);
  } catch {
    // It is gone, and whoever was in it.
  }
}

/**
 * Holds groups still, where the kernel can: nobody in them forks or leaves between a look and the signal. Signals that
 * they are sent meanwhile end them before they do anything more.
 *
 * @returns lets them go on
 */
export async function holdStill(groups: readonly string[]): Promise<() => void> {
  const held: string[] = [];
  for (const group of groups) {
    const kind = kindOf(group);
    if (kind === undefined) continue;
    try {
      held.push(group);
      writeFileSync(path.join(group, kind.file), kind.hold);
      for (const end = performance.now() + patience; !kind.holds(group) && performance.now() < end; )
        await delay(1);
    } catch {
      // It is gone, or not ours to hold: then what is in it is killed as it runs.
    }
  }
  return () => held.forEach(release);
}
