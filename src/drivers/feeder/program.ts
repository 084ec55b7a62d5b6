import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { listProcesses, type Process, readProcess } from '../processes/processes.js';
import { signalProcess } from '../processes/signal.js';
import type { Program } from './ways.js';

/**
 * The program and what it started: all descendants of the shell that also started this feeder, except the feeder's own
 * branch. Processes that left their parents are found by the session.
 */
export function programBeside(ended: AbortSignal): Program {
  const own = readProcess(process.pid);
  // Between them is a shell that waits for this feeder.
  const wrapper = own?.parent ?? 0;
  const shell = readProcess(wrapper)?.parent ?? 0;
  const session = own?.session ?? -1;
  return {
    ended,
    processes() {
      const all = listProcesses();
      const mine = new Set<number>();
      for (const { pid, session: of } of all) if (of === session) mine.add(pid);
      for (let grown = true; grown; ) {
        grown = false;
        for (const { pid, parent } of all) {
          if (mine.has(pid) || !(mine.has(parent) || parent === shell)) continue;
          mine.add(pid);
          grown = true;
        }
      }
      for (const not of [process.pid, wrapper, shell, session]) mine.delete(not);
      return all.filter(({ pid }) => mine.has(pid));
    },
  };
}

/**
 * Tells a program that only waits for more to end. First SIGTERM goes to its processes that have the file open: the
 * pipes that they feed then end, and their readers end by themselves. Processes that stay and are quiet for as long
 * again get SIGTERM too, and SIGKILL after the grace. In seconds.
 */
export async function tellToEnd(
  program: Program,
  file: string,
  seconds: number,
  grace: number,
): Promise<void> {
  const ino = statSync(file, { throwIfNoEntry: false })?.ino ?? -1;
  const readers = () => program.processes().filter(({ pid }) => positionIn(pid, ino) !== null);
  await signal(program, readers, grace);
  await quiet(program, null, seconds);
  await signal(program, () => program.processes(), grace);
}

/** Sends SIGTERM to each, and SIGKILL to those still there after the grace, until there are none. */
async function signal(program: Program, find: () => Process[], grace: number): Promise<void> {
  const until = performance.now() + grace * 1000;
  const asked = new Set<number>();
  for (let left = find(); left.length > 0 && !program.ended.aborted; left = find()) {
    const kill = performance.now() > until;
    for (const process of left) {
      if (!kill && asked.has(process.pid)) continue;
      asked.add(process.pid);
      // A process that we may not signal is left to whoever ends the job.
      signalProcess(process, kill ? 'SIGKILL' : 'SIGTERM');
    }
    await delay(50, undefined, { signal: program.ended });
  }
}

const look = 100;
/** How many times longer to wait for a program that was never seen to have read all its input. */
const unreadFactor = 10;
/** How much a quiet program may compute between two checks. Clock ticks are hundredths of a second. */
const restlessTicks = 2;

/**
 * Resolves when the program has read a file to its end and only waits for more: none of its processes has read,
 * written, or computed anything to speak of for so many seconds.
 *
 * @param file null: it has read everything
 * @returns false if it is quiet, but does not seem to have read all of the file; never, once it has ended
 */
export async function quiet(program: Program, file: string | null, seconds: number): Promise<boolean> {
  let read = file === null;
  let since = performance.now();
  let before = new Map<number, Activity>();
  for (;;) {
    await delay(look, undefined, { signal: program.ended });
    const now = new Map<number, Activity>();
    let still = true;
    let unread = false;
    const { ino = -1, size = 0 } = file === null ? {} : (statSync(file, { throwIfNoEntry: false }) ?? {});
    for (const { pid } of program.processes()) {
      const activity = activityOf(pid);
      if (activity === null) continue;
      now.set(pid, activity);
      const was = before.get(pid);
      // A process that comes and goes between two checks, such as the `sleep` of a loop, tells nothing.
      if (was === undefined) continue;
      if (activity.busy || activity.bytes !== was.bytes || activity.ticks - was.ticks > restlessTicks)
        still = false;
      const at = file === null ? null : positionIn(pid, ino);
      if (at !== null && at >= size) read = true;
      if (at !== null && at < size) unread = true;
    }
    before = now;
    if (!still) since = performance.now();
    const passed = performance.now() - since;
    if (passed >= seconds * 1000 && read && !unread) return true;
    if (passed >= seconds * 1000 * unreadFactor) return read && !unread;
  }
}

interface Activity {
  /** It computes, or waits for a disk. */
  busy: boolean;
  /** Bytes that it has read and written itself. */
  bytes: number;
  ticks: number;
}

function activityOf(pid: number): Activity | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    let bytes = 0;
    // By thread: the counters of the process include what its ended children have read.
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const io = readFileSync(`/proc/${pid}/task/${thread}/io`, 'utf8');
      bytes += Number(/^rchar: (\d+)/m.exec(io)?.[1]) + Number(/^wchar: (\d+)/m.exec(io)?.[1]);
    }
    return {
      busy: fields[0] === 'R' || fields[0] === 'D',
      bytes,
      ticks: Number(fields[11]) + Number(fields[12]),
    };
  } catch {
    // It has ended, or may not be inspected.
    return null;
  }
}

/** How far a process has read a file that it has open; null if it has not. */
function positionIn(pid: number, ino: number): number | null {
  try {
    let found: number | null = null;
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const link = `/proc/${pid}/fd/${fd}`;
      if (!readlinkSync(link).startsWith('/') || statSync(link).ino !== ino) continue;
      const position = /^pos:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
      found = Math.max(found ?? 0, Number(position));
    }
    return found;
  } catch {
    return null;
  }
}
