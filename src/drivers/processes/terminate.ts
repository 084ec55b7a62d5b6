import { setTimeout as delay } from 'node:timers/promises';
import { handedOver } from '../../domain/daemon-clients.js';
import { holdStill } from './cgroups/still.js';
import type { Found } from './members.js';
import { isDying, isOver, type Process } from './processes.js';
import { signalProcess } from './signal.js';

/** What was done to end a job's processes, and the result. */
export interface Receipt {
  /** Every process that was found, and the signals sent to it, in order. */
  signalled: { pid: number; name: string; signals: string[] }[];
  /** Processes still there at the end: empty, unless the kernel holds one. */
  survivors: { pid: number; name: string; state: string }[];
  /** Why an undiscovered process may be left; null if there certainly is none. */
  unproven: string | null;
}

/** The receipt if there was nothing to end. */
export const nothingToEnd: Receipt = { signalled: [], survivors: [], unproven: null };

/** What must be ended. */
export interface Quarry {
  /** Returns its current processes; called repeatedly. */
  look: () => Found;
  /** Whether the run itself is over: until then finding no process proves nothing, since the program may be about to start. */
  over: () => boolean;
  /** Resolves when that may have changed. */
  ended?: Promise<unknown> | undefined;
  /** Control groups that hold its processes, and perhaps its runner. */
  groups?: readonly string[];
}

/** The signals listed in a receipt; the others only help these to work. */
const told: ReadonlySet<string> = new Set(['SIGTERM', 'SIGKILL']);
/** Milliseconds between two checks: short at first, then longer, since each check has a cost. */
const shortest = 5;
const longest = 100;
/** Even SIGKILL needs the kernel's time: a process in an uninterruptible wait dies only after it. */
const killPatience = 10_000;
/** Milliseconds for first stopping everything that will be killed, until no further process appears. */
const stopPatience = 50;
/** How many checks in a row must find nothing: one alone can miss a process that forks and ends at once. */
const emptyLooks = 2;

/** Sends signals, each only to the very process that was found, and keeps the receipt. */
function openSending() {
  const seen = new Map<string, Receipt['signalled'][number]>();
  /** The name of each process when it was last sent SIGTERM. */
  const asked = new Map<string, string>();
  return {
    signalled: () => [...seen.values()],
    send(process: Process, signal: 'SIGTERM' | 'SIGCONT' | 'SIGSTOP' | 'SIGKILL'): void {
      const key = `${process.pid}:${process.startTime}`;
      const entry = seen.get(key) ?? { pid: process.pid, name: process.name, signals: [] };
      seen.set(key, entry);
      // A freshly forked shell may miss a signal; if it has become another program since, signal it again.
      if (signal === 'SIGTERM' && asked.get(key) === process.name) return;
      if (signal === 'SIGTERM') asked.set(key, process.name);
      if (signalProcess(process, signal) && told.has(signal) && !entry.signals.includes(signal))
        entry.signals.push(signal);
    },
  };
}

/** Ends processes: SIGTERM, a grace in milliseconds, SIGKILL, and again for processes born meanwhile, until none is left. */
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
      // A stopped process would only handle its SIGTERM later.
      if (process.state === 'T') send(process, 'SIGCONT');
    }
  };
  /** Kills them together, so that none can see another's death and react to it, such as by starting a new one. */
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
