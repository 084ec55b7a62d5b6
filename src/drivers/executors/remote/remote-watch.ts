import { messageOf } from '../../../lib/errors.js';
import { type Host, HostError } from '../../hosts/host.js';
import { pollScript, type RunSeen, readPoll } from '../../hosts/scripts/remote-poll.js';
import type { RemoteHandle } from './remote-handle.js';

/** How a watch ended: by the machine's report, or because the machine could no longer be reached. */
export type Ending =
  | { by: 'seen'; seen: RunSeen; rebooted: boolean }
  | { by: 'patience'; problem: HostError; seconds: number };

interface Watched {
  handle: RemoteHandle;
  /** Called after every check while it runs. */
  look: (seen: RunSeen) => void;
  end: (ending: Ending) => void;
  /** Milliseconds until the next check, growing while nothing happens. */
  pause: number;
  next: number;
  bytes: number;
  /** When it was first seen claimed but without a runner. */
  orphaned: number | null;
  /** The last trouble that was reported for its machine. */
  told: string | null;
}

interface WatchOptions {
  hostOf: (name: string) => Host | Promise<Host>;
  /** The current limit of seconds that a machine may stay unreachable; null is forever. */
  patience: () => number | null;
  trouble: (handle: RemoteHandle, problem: string | null) => void;
}

/** Milliseconds between two checks: short at first, since most runs are short, then longer and longer. */
const shortest = 15;
const longest = 1000;
/** While a log grows somebody may be reading it. */
const lively = 250;
/** The longest that one check may take. */
const lookTimeout = 30_000;
/** How long a claimed run may lack a runner, which is normally started immediately. */
const orphanPatience = 10_000;
/** Seconds for a machine with a changed key or a rejected login: waiting rarely helps. */
const strangerPatience = 60;

/**
 * Seconds after which a machine with this problem is given up.
 *
 * @param patience seconds that it may stay unreachable; null is forever
 */
export function patienceWith({ problem }: HostError, patience: number | null): number {
  if (problem === 'unreachable') return patience ?? Number.POSITIVE_INFINITY;
  const stranger = problem === 'host-key' || problem === 'refused' || problem === 'shell';
  // A deleted machine does not come back, and a full disk does not empty by itself.
  return stranger ? Math.min(patience ?? strangerPatience, strangerPatience) : 0;
}

/** Watches all runs of one machine with one script at a time. */
export function watchHost(name: string, options: WatchOptions) {
  const runs = new Set<Watched>();
  let wake: () => void = () => {};
  let looping = false;
  let stopped = false;
  let troubled: { since: number; error: HostError } | null = null;

  function end(run: Watched, ending: Ending): void {
    if (runs.delete(run)) run.end(ending);
  }

  function tell(run: Watched, problem: string | null): void {
    if (run.told === problem) return;
    run.told = problem;
    options.trouble(run.handle, problem);
  }

  async function loop(): Promise<void> {
    looping = true;
    while (runs.size > 0 && !stopped) {
      const wait = Math.min(...[...runs].map(({ next }) => next)) - performance.now();
      if (wait > 0) await pauseFor(wait);
      if (stopped) break;
      const looked = [...runs];
      if (looked.length > 0) await look(looked);
    }
    looping = false;
  }
  const pauseFor = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  async function look(looked: Watched[]): Promise<void> {
    const input = looked
      .map(({ handle: { runner, there } }) => `${runner?.pid ?? 0} ${runner?.start_time ?? 0} ${there}\n`)
      .join('');
    try {
      const host = await options.hostOf(name);
      const said = await host.run(pollScript, { input, timeout: lookTimeout });
      const poll = readPoll(
        said.stdout,
        looked.map(({ handle }) => handle.there),
      );
      if (poll === null)
        throw new HostError('unreachable', `${name} could not report the state of its runs: ${said.stderr}`);
      for (const run of looked) tell(run, null);
      troubled = null;
      for (const [index, run] of looked.entries()) {
        const seen = poll.runs[index];
        if (seen !== undefined && runs.has(run)) judge(run, seen, poll.boot);
      }
    } catch (error) {
      outOfReach(
        looked,
        error instanceof HostError ? error : new HostError('unreachable', `${name}: ${messageOf(error)}`),
      );
    }
  }

  function judge(run: Watched, seen: RunSeen, boot: string): void {
    const known = run.handle.runner?.boot_id ?? '-';
    const rebooted = known !== '-' && boot !== '-' && known !== boot;
    if (seen.status.ended || seen.never || seen.state === 'absent') {
      end(run, { by: 'seen', seen, rebooted });
      return;
    }
    if (seen.state === 'dead' || rebooted) {
      run.orphaned ??= performance.now();
      const certain =
        rebooted || run.handle.runner !== null || performance.now() - run.orphaned > orphanPatience;
      if (certain) {
        end(run, { by: 'seen', seen, rebooted });
        return;
      }
    }
    const bytes = seen.stdout + seen.stderr;
    run.pause = bytes > run.bytes ? Math.min(run.pause * 1.5, lively) : Math.min(run.pause * 1.5, longest);
    run.bytes = bytes;
    run.next = performance.now() + run.pause;
    run.look(seen);
  }

  function outOfReach(looked: readonly Watched[], error: HostError): void {
    const since = troubled?.since ?? performance.now();
    troubled = { since, error };
    const patience = patienceWith(error, options.patience());
    const seconds = (performance.now() - since) / 1000;
    for (const run of looked) {
      // The host itself waits before it tries to reach the machine again.
      run.next = performance.now() + 100;
      // Each run by itself: one that was added while the machine was unreachable has not been told yet.
      tell(run, error.message);
      if (seconds >= patience) end(run, { by: 'patience', problem: error, seconds });
    }
  }

  return {
    /** Watches a run to its end. */
    add(handle: RemoteHandle, look: (seen: RunSeen) => void, ended: (ending: Ending) => void): () => void {
      const [pause, bytes] = [shortest, 0];
      const run: Watched = {
        handle,
        look,
        end: ended,
        pause,
        next: performance.now() + pause,
        bytes,
        orphaned: null,
        told: null,
      };
      runs.add(run);
      if (!looping) void loop();
      else wake();
      return () => {
        runs.delete(run);
        wake();
      };
    },
    stop() {
      stopped = true;
      wake();
    },
  };
}
