import { setTimeout as delay } from 'node:timers/promises';
import type { Process } from './processes.js';
import { signalProcess } from './signal.js';

/** What was done to end a job's processes, and that it worked. */
export interface Receipt {
  /** Every process that was found, and the signals that it was sent, in order. */
  signalled: { pid: number; name: string; signals: string[] }[];
  /** Those that were still there at the end: empty, unless the kernel itself holds one. */
  survivors: { pid: number; name: string; state: string }[];
}

/** The signals that a receipt names; the others only help these to work. */
const told: ReadonlySet<string> = new Set(['SIGTERM', 'SIGKILL']);
/** Milliseconds between two looks: soon at first, then less and less often, since a look has its price. */
const shortest = 10;
const longest = 100;
/** Even SIGKILL needs the kernel's time: a process in an uninterruptible wait dies only after it. */
const killPatience = 10_000;

/**
 * Ends processes: SIGTERM, a grace, SIGKILL, and again for whatever was born meanwhile, until a look finds none.
 *
 * @param find the processes to end, as of now; it is asked again and again. `thorough` is the first look, and the
 *   one that is to prove that nothing is left: any other may pass over what is costly to find
 * @param grace milliseconds between SIGTERM and SIGKILL
 * @param over whether the run itself is over: until then a look that finds nothing proves nothing, since the
 *   program may be just about to start
 */
export async function terminate(
  find: (thorough: boolean) => readonly Process[],
  grace: number,
  over: () => boolean,
): Promise<Receipt> {
  const seen = new Map<string, Receipt['signalled'][number]>();
  /** What each process was called when it was last asked to end. */
  const asked = new Map<string, string>();
  const look = (thorough: boolean) =>
    find(thorough).filter((process) => process.state !== 'Z' && process.state !== 'X');
  const send = (process: Process, signal: 'SIGTERM' | 'SIGCONT' | 'SIGSTOP' | 'SIGKILL') => {
    const key = `${process.pid}:${process.startTime}`;
    const entry = seen.get(key) ?? { pid: process.pid, name: process.name, signals: [] };
    seen.set(key, entry);
    // A signal is lost on a shell that has just been forked; what it has become by now must hear it, too.
    if (signal === 'SIGTERM' && asked.get(key) === process.name) return;
    if (signal === 'SIGTERM') asked.set(key, process.name);
    // Gone meanwhile, or not ours to signal: the next look tells.
    if (!signalProcess(process, signal)) return;
    if (told.has(signal) && !entry.signals.includes(signal)) entry.signals.push(signal);
  };

  const killFrom = Date.now() + grace;
  const giveUp = killFrom + killPatience;
  let left = look(true);
  let pause = shortest;
  while ((left.length > 0 || !over()) && Date.now() < giveUp) {
    const signal = Date.now() < killFrom ? 'SIGTERM' : 'SIGKILL';
    // They die together: none may see another's death and act on it, and tell of it, or start one more.
    if (signal === 'SIGKILL') for (const process of left) send(process, 'SIGSTOP');
    for (const process of left) {
      send(process, signal);
      // A stopped process would keep its SIGTERM for later.
      if (process.state === 'T') send(process, 'SIGCONT');
    }
    await delay(pause);
    pause = Math.min(pause * 1.25, longest);
    left = look(false);
    if (left.length === 0 && over()) left = look(true);
  }
  return {
    signalled: [...seen.values()],
    survivors: left.map(({ pid, name, state }) => ({ pid, name, state })),
  };
}
