import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How to freeze a control group, by the file that the kernel offers: version 2's, or version 1's freezer. */
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

/**
 * Milliseconds to wait until everything is frozen: a process that waits for a disk takes longer, and is killed without
 * that.
 */
const patience = 200;

const kindOf = (group: string) => kinds.find(({ file }) => existsSync(path.join(group, file)));

/** Thaws a group, if it was frozen. */
export function release(group: string): void {
  const kind = kindOf(group);
  try {
    if (kind !== undefined) writeFileSync(path.join(group, kind.file), kind.release);
  } catch {
    // The group and its processes are gone.
  }
}

/**
 * Freezes groups if the kernel can, so that no process in them forks or leaves between a check and the signal. Signals
 * sent meanwhile end them before they do anything else.
 *
 * @returns what thaws them
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
      // It is gone, or cannot be frozen: then its processes are killed while they run.
    }
  }
  return () => held.forEach(release);
}
