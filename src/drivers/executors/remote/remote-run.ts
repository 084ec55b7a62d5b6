import { setTimeout as delay } from 'node:timers/promises';
import { ended, type Outcome } from '../../../domain/jobs/outcome.js';
import { type Host, HostError } from '../../hosts/host.js';
import { claimScript, readIdentity } from '../../hosts/scripts/remote-launch.js';
import type { RunSeen } from '../../hosts/scripts/remote-poll.js';
import { statusOutcome } from '../../processes/status-file.js';
import { fetchFiles } from './remote-files.js';
import type { RemoteHandle } from './remote-handle.js';
import type { Ending } from './remote-watch.js';

/** The outcome of a run from the end of its watch. */
export function outcomeOf({ host }: RemoteHandle, ending: Ending): Outcome {
  if (ending.by === 'patience') {
    const { problem, seconds } = ending;
    const since = problem.problem === 'gone' ? '' : `for ${Math.round(seconds)} s, `;
    return ended('lost', `How the program ended is unknown: ${since}${problem.message}`);
  }
  const { seen, rebooted } = ending;
  const { status } = seen;
  if (status.ended) {
    const outcome = statusOutcome(status);
    if (!seen.full || outcome.cause === 'platform') return outcome;
    const how = outcome.signal ?? `exit code ${outcome.exit_code}`;
    const reason = `The disk of ${host} is full; the program ended with ${how}.`;
    return { ...outcome, cause: 'platform', reason };
  }
  if (seen.never)
    return ended('platform', `The program was never started on ${host}: the connection broke first.`);
  const why = rebooted
    ? `${host} was restarted`
    : seen.state === 'absent'
      ? `its folder on ${host} is gone`
      : seen.full
        ? `the disk of ${host} is full, and its exit status could not be written`
        : `the shell that supervised it on ${host} is gone`;
  return ended('lost', `How the program ended is unknown: ${why}.`);
}

/** The outcome of a run whose files could not all be fetched; an earlier problem stays the reason. */
export function unfetched(outcome: Outcome, error: HostError): Outcome {
  if (outcome.cause === 'platform' || outcome.cause === 'lost') return outcome;
  const how = outcome.signal ?? `exit code ${outcome.exit_code}`;
  const reason = `The program ended with ${how}, but not all its output could be fetched: ${error.message}`;
  return { ...outcome, cause: 'lost', reason };
}

/** True if processes of the run may live on unsupervised. */
export const leavesProcesses = (ending: Ending): boolean =>
  ending.by === 'seen' && !ending.seen.status.ended && !ending.seen.never && !ending.rebooted;

/** One byte more than the limit, which shows that a file exceeds it: no machine may fill our disk. */
const bound = ({ most }: RemoteHandle) => ({ most: most === null ? null : most + 1 });

/** Follows a run's streams: fetches what is new in them, one transfer per stream at a time. */
export function followStreams(host: () => Promise<Host>, handle: RemoteHandle) {
  const streams = (['stdout', 'stderr'] as const).map((name) => ({
    name,
    from: `${handle.there}/${name}`,
    to: handle[name],
    here: 0,
    busy: false,
  }));
  return (seen: RunSeen) => {
    for (const stream of streams) {
      if (stream.busy || seen[stream.name] <= stream.here) continue;
      stream.busy = true;
      host()
        .then((machine) => machine.get(stream.from, stream.to, bound(handle)))
        .then(
          (size) => {
            stream.here = size;
          },
          // The next check shows how things are.
          () => {},
        )
        .finally(() => {
          stream.busy = false;
        });
    }
  };
}

/** Fetches everything that a run left: its complete streams, and its files. Missing files are skipped. */
export async function fetchAll(host: Host, handle: RemoteHandle, seen: RunSeen): Promise<void> {
  const whole = async (name: 'stdout' | 'stderr') => {
    if (seen[name] === 0) return;
    try {
      await host.get(`${handle.there}/${name}`, handle[name], bound(handle));
    } catch (error) {
      if (!(error instanceof HostError && error.problem === 'missing')) throw error;
    }
  };
  await Promise.all([whole('stdout'), whole('stderr'), fetchFiles(host, handle.fetch, bound(handle))]);
}

/**
 * Retries while the machine cannot be used.
 *
 * @param patience called with each failure; returns for how many seconds to go on
 */
export async function untilReached<T>(
  act: () => Promise<T>,
  patience: (error: HostError) => number,
): Promise<T> {
  const from = performance.now();
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof HostError) || performance.now() - from >= patience(error) * 1000) throw error;
      await delay(100);
    }
  }
}

/** Finds out whether a run was ever started, and if not, makes sure that it never will be. */
export async function settle(
  host: Host,
  handle: RemoteHandle,
  signal?: AbortSignal,
): Promise<RemoteHandle | 'never-started'> {
  const said = await host.run(claimScript, {
    args: [handle.there],
    timeout: 30_000,
    ...(signal && { signal }),
  });
  if (said.stdout.startsWith('never')) return 'never-started';
  return { ...handle, runner: readIdentity(said.stdout) };
}
