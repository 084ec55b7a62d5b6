import { setTimeout as delay } from 'node:timers/promises';
import { handedOver } from '../../domain/daemon-clients.js';
import { holdStill } from './cgroups/still.js';
import type { Found } from './members.js';
import { isDying, isOver, type Process } from './processes.js';
import { signalProcess } from './signal.js';

/** What was done to end a job's processes, and that it worked. */
export interface Receipt {
  /** Every process that was found, and the signals that it was sent, in order. */
  signalled: { pid: number; name: string; signals: string[] }[];
  /** Those that were still there at the end: empty, unless the kernel itself holds one. */
  survivors: { pid: number; name: string; state: string }[];
  /** Why there may be something left that was not found; null where there certainly is not. */
  unproven: string | null;
}

/** The receipt where there was nothing to end. */
export const nothingToEnd: Receipt = { signalled: [], survivors: [], unproven: null };

/** What is to be ended. */
export interface Quarry {
  /** Its processes as of now; asked again and again. */
  look: () => Found;
  /** Whether the run itself is over: until then a look that finds nothing proves nothing, since the program may be about to start. */
  over: () => boolean;
  /** Resolves when that may have changed. */
  ended?: Promise<unknown> | undefined;
  /** Control groups that hold its processes, and perhaps its runner. */
  groups?: readonly string[];
}

/** The signals that a receipt names; the others only help these to work. */
const told: ReadonlySet<string> = new Set(['SIGTERM', 'SIGKILL']);
/** Milliseconds between two looks: soon at first, then less and less often, since a look has its price. */
const shortest = 5;
const longest = 100;
/** Even SIGKILL needs the kernel's time: a process in an uninterruptible wait dies only after it. */
const killPatience = 10_000;
/** Milliseconds in which what is to be killed is stopped first, and looked for again until all of it is. */
const stopPatience = 50;
/** A process that forks and ends at once can be missed by a look: so many in a row have to find nothing. */
const emptyLooks = 2;

/** Sends signals, each only to the very process that was found, and keeps the receipt. */
function openSending() {
  const seen = new Map<string, Receipt['signalled'][number]>();
  /** What each process was called when it was last asked to end. */
  const asked = new Map<string, string>();
  return {
    signalled: () => [...seen.values()],
    send(process: Process, signal: 'SIGTERM' | 'SIGCONT' | 'SIGSTOP' | 'SIGKILL'): void {
      const key = `${process.pid}:${process.startTime}`;
      const entry = seen.get(key) ?? { pid: process.pid, name: process.name, signals: [] };
      seen.set(key, entry);
      // A signal is lost on a shell that has just been forked; what it has become by now must hear it, too.
      if (signal === 'SIGTERM' && asked.get(key) === process.name) return;
      if (signal === 'SIGTERM') asked.set(key, process.name);
      if (signalProcess(process, signal) && told.has(signal) && !entry.signals.includes(signal))
        entry.signals.push(signal);
    },
  };
}

/** Ends processes: SIGTERM, a grace in milliseconds, SIGKILL, and again for whatever was born meanwhile, until none is left. */
export async function terminate(quarry: Quarry, grace: number): Promise<Receipt> {
  const { over, ended, groups = [] } = quarry;
  const { send, signalled } = openSending();
  let unproven: string | null = null;
  /** All that were found so far. */
  const known = new Map<number, Process>();
  const look = (): Process[] => {
    const found = quarry.look();
    unproven = found.unproven;
    const now = new Map(found.members.map((process) => [process.pid, process]));
    for (const process of known.values())
      if (!now.has(process.pid) && isDying(process)) now.set(process.pid, process);
    for (const [pid, process] of now) known.set(pid, process);
    return [...now.values()].filter((process) => !isOver(process));
  };
  const ask = (left: readonly Process[]) => {
    for (const process of left) {
      send(process, 'SIGTERM');
      // A stopped process would keep its SIGTERM for later.
      if (process.state === 'T') send(process, 'SIGCONT');
    }
  };
  /** They die together: none may see another's death and act on it, and tell of it, or start one more. */
  const kill = async () => {
    const letGo = await holdStill(groups);
    try {
      const stopped = new Map<number, Process>();
      for (const end = performance.now() + stopPatience; performance.now() < end; ) {
        const fresh = look().filter(({ pid, startTime }) => stopped.get(pid)?.startTime !== startTime);
        if (fresh.length === 0) break;
        for (const process of fresh) {
          send(process, 'SIGSTOP');
          stopped.set(process.pid, process);
        }
      }
      for (const process of stopped.values()) send(process, 'SIGKILL');
    } finally {
      letGo();
    }
  };

  const began = performance.now();
  const passed = () => performance.now() - began;
  let left = look();
  let pause = shortest;
  let empty = 0;
  while (passed() < grace + killPatience) {
    empty = left.length === 0 && over() ? empty + 1 : 0;
    if (empty >= emptyLooks) break;
    if (empty === 0) {
      if (left.length > 0) await (passed() < grace ? ask(left) : kill());
      const wait = passed() < grace ? Math.min(pause, Math.max(1, grace - passed())) : pause;
      await Promise.race([delay(wait), ...(over() || ended === undefined ? [] : [ended])]);
      pause = Math.min(pause * 1.25, longest);
    }
    left = look();
  }
  const all = signalled();
  return {
    signalled: all,
    survivors: left.map(({ pid, name, state }) => ({ pid, name, state })),
    unproven: unproven ?? handedOver(all.map(({ name }) => name)),
  };
}
