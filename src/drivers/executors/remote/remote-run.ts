import { setTimeout as delay } from 'node:timers/promises';
import { ended, type Outcome } from '../../../domain/jobs/outcome.js';
import { type Host, HostError } from '../../hosts/host.js';
import { claimScript, readIdentity } from '../../hosts/scripts/remote-launch.js';
import type { RunSeen } from '../../hosts/scripts/remote-poll.js';
import { statusOutcome } from '../../processes/status-file.js';
import { fetchFiles } from './remote-files.js';
import type { RemoteHandle } from './remote-handle.js';
import type { Ending } from './remote-watch.js';

/** What an ending means for the run, where that needs no further question. */
export function outcomeOf({ host }: RemoteHandle, ending: Ending): Outcome {
  if (ending.by === 'patience') {
    const { problem, seconds } = ending;
    const since = problem.problem === 'gone' ? '' : `for ${Math.round(seconds)} s, `;
    return ended('lost', `How the program ended is not known: ${since}${problem.message}`);
  }
  const { seen, rebooted } = ending;
  const { status } = seen;
  if (status.ended) {
    const outcome = statusOutcome(status);
    if (!seen.full || outcome.cause === 'platform') return outcome;
    const how = outcome.signal ?? `exit code ${outcome.exit_code}`;
    const reason = `There is no room left on ${host}; the program ended with ${how}.`;
    return { ...outcome, cause: 'platform', reason };
  }
  if (seen.never)
    return ended('platform', `The program was never begun on ${host}: the connection broke before it.`);
  const why = rebooted
    ? `${host} was started anew`
    : seen.state === 'absent'
      ? `its folder on ${host} is gone`
      : seen.full
        ? `there is no room left on ${host}, and it could not be written there`
        : `the shell that watched over it on ${host} is gone`;
  return ended('lost', `How the program ended is not known: ${why}.`);
}

/** How a run ended of which not everything could be fetched; what was wrong before stays the reason. */
export function unfetched(outcome: Outcome, error: HostError): Outcome {
  if (outcome.cause === 'platform' || outcome.cause === 'lost') return outcome;
  const how = outcome.signal ?? `exit code ${outcome.exit_code}`;
  const reason = `The program ended with ${how}, but not all that it wrote could be fetched: ${error.message}`;
  return { ...outcome, cause: 'lost', reason };
}

/** True where processes of the run may live on, unwatched. */
export const leavesProcesses = (ending: Ending): boolean =>
  ending.by === 'seen' && !ending.seen.status.ended && !ending.seen.never && !ending.rebooted;

/** One byte more than a file may have, by which it is told from one that has just as many: no machine fills our disk. */
const bound = ({ most }: RemoteHandle) => ({ most: most === null ? null : most + 1 });

/** Follows a run's streams: what they have more than before is fetched, one transfer for each at a time. */
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
          // The next look tells how things are.
          () => {},
        )
        .finally(() => {
          stream.busy = false;
        });
    }
  };
}

/** Fetches all that a run left: its streams whole, and its files. What is not there is none. */
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
 * Tries again while the machine cannot be used.
 *
 * @param patience told of each failure; gives for how many seconds it may go on
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

/** Asks whether a run was ever begun, and sees to it that it never will be if it was not. */
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
