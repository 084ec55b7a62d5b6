import { messageOf } from '../../../lib/errors.js';
import { type Host, HostError } from '../../hosts/host.js';
import { pollScript, type RunSeen, readPoll } from '../../hosts/scripts/remote-poll.js';
import type { RemoteHandle } from './remote-handle.js';

/** How a watch ended: as the machine told, or because it could not be asked any more. */
export type Ending =
  | { by: 'seen'; seen: RunSeen; rebooted: boolean }
  | { by: 'patience'; problem: HostError; seconds: number };

interface Watched {
  handle: RemoteHandle;
  /** Told of every look, while it runs. */
  look: (seen: RunSeen) => void;
  end: (ending: Ending) => void;
  /** Milliseconds until the next look, which grow while nothing happens. */
  pause: number;
  next: number;
  bytes: number;
  /** When it was first seen claimed without anybody who runs it. */
  orphaned: number | null;
  /** The trouble with its machine that it was told of. */
  told: string | null;
}

interface WatchOptions {
  hostOf: (name: string) => Host | Promise<Host>;
  /** Seconds that a machine may stay out of reach, as of now; null is for ever. */
  patience: () => number | null;
  trouble: (handle: RemoteHandle, problem: string | null) => void;
}

/** Milliseconds between two looks: soon at first, since most runs are short, then less and less often. */
const shortest = 15;
const longest = 1000;
/** While a log grows somebody may be reading it. */
const lively = 250;
/** As long as a machine may take for one look. */
const lookTimeout = 30_000;
/** How long a run that was claimed may have no runner: one is started in the same breath. */
const orphanPatience = 10_000;
/** Seconds for a machine that shows another key or does not let us in any more: waiting rarely mends that. */
const strangerPatience = 60;

/**
 * Seconds after which nothing more is hoped for from a machine that has this problem.
 *
 * @param patience seconds that it may stay out of reach; null is for ever
 */
export function patienceWith({ problem }: HostError, patience: number | null): number {
  if (problem === 'unreachable') return patience ?? Number.POSITIVE_INFINITY;
  const stranger = problem === 'host-key' || problem === 'refused' || problem === 'shell';
  // What is gone for good does not come back, and what is full is not emptied by being asked.
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
        throw new HostError('unreachable', `${name} was asked how runs are, and said: ${said.stderr}`);
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
      // The host itself takes its time before it tries to reach the machine again.
      run.next = performance.now() + 100;
      // Each by itself: one that came while its machine was away has heard of nothing yet.
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
