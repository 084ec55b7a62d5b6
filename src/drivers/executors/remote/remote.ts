import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Outcome } from '../../../domain/jobs/outcome.js';
import { type Host, HostError } from '../../hosts/host.js';
import { readReceipt, terminateScript } from '../../hosts/scripts/remote-terminate.js';
import type { Executor, ExecutorCommand, ExecutorFiles, Handle, Receipt } from '../executor.js';
import { openClearing } from './remote-clearing.js';
import { keepOutcome, notePlace, type RemoteHandle, readOutcome } from './remote-handle.js';
import {
  fetchAll,
  followStreams,
  leavesProcesses,
  outcomeOf,
  settle,
  unfetched,
  untilReached,
} from './remote-run.js';
import { launch, planned } from './remote-start.js';
import { type Ending, patienceWith, watchHost } from './remote-watch.js';

export interface RemoteOptions {
  /** Marks the processes of this installation among others on a machine. */
  instance: string;
  /** The machine of that name, as in `place.host`. Its owner closes it. */
  hostOf: (name: string) => Host | Promise<Host>;
  /** The current limit of seconds that a machine may stay unreachable before its runs count as lost; null is forever. */
  patience?: () => number | null;
  /** Called with the reason when a run's machine is unreachable, and with null when it is back. */
  trouble?: (handle: Handle, problem: string | null) => void;
  /** Which of these jobs have ended: what their runs left on a machine is cleaned up. By default none. */
  isOver?: (uuids: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** Milliseconds that a cancel may take beyond its grace. */
const cancelTimeout = 30_000;

/** Ends all processes of a run. `id` names this cancel: repeated with the same id, it gives the same answer. */
async function endAll(
  host: Host,
  run: Pick<RemoteHandle, 'host' | 'there'>,
  { grace, urgent, id }: { grace: number; urgent: boolean; id: string },
): Promise<Receipt> {
  const args = [run.there, String(Math.round(grace * 1000)), id, '/proc'];
  const timeout = grace * 1000 + cancelTimeout;
  const { stdout, stderr } = await host.run(terminateScript, { args, timeout, urgent });
  const receipt = readReceipt(stdout);
  if (receipt === null)
    throw new HostError('missing', `Processes on ${run.host} could not be ended: ${stderr.trim()}`);
  return receipt;
}

/**
 * Runs commands on other machines, detached from us and from the connection. The place of a run comes with its files
 * (`place`): the worker, which knows the machine and its base folder, makes the folder's name with `remoteFolder` and
 * fills in the command's placeholders with paths below it.
 */
export function remoteExecutor(options: RemoteOptions): Executor {
  const {
    instance,
    hostOf,
    patience = () => null,
    trouble = () => {},
    isOver = async () => new Set(),
  } = options;
  const hostFor = async (handle: RemoteHandle) => hostOf(handle.host);
  /** Milliseconds left for asking machines at startup. Later checks settle what they did not answer. */
  let recoverTime = 1000;
  let watches = new Map<string, ReturnType<typeof watchHost>>();
  const waits = new Map<string, Promise<Outcome>>();
  /** Runs that are being cancelled: their folders stay until that is done. */
  const cancelling = new Map<string, number>();

  function watch(name: string) {
    const known = watches.get(name) ?? watchHost(name, { hostOf, patience, trouble });
    watches.set(name, known);
    return known;
  }

  /** Asks a run's machine, and retries and reports while it is unreachable. */
  async function reached<T>(handle: RemoteHandle, ask: (host: Host) => Promise<T>): Promise<T> {
    let told: string | null = null;
    const hope = (error: HostError) => {
      const seconds = patienceWith(error, patience());
      if (seconds > 0 && error.message !== told) {
        told = error.message;
        trouble(handle, told);
      }
      return seconds;
    };
    try {
      return await untilReached(async () => ask(await hostFor(handle)), hope);
    } finally {
      if (told !== null) trouble(handle, null);
    }
  }

  function terminate(handle: RemoteHandle, grace: number, urgent: boolean): Promise<Receipt> {
    const id = randomBytes(6).toString('hex');
    return reached(handle, (host) => endAll(host, handle, { grace, urgent, id }));
  }

  const clearing = openClearing({
    hostOf,
    terminate: (host, run) => endAll(host, run, { grace: 1, urgent: false, id: 'left' }),
    isCancelling: (there) => cancelling.has(there),
    isOver,
  });

  async function finish(handle: RemoteHandle, ending: Ending): Promise<Outcome> {
    // Another executor of ours may have been first, and has then already cleaned up.
    const known = readOutcome(handle.folder);
    if (known !== null) return known;
    if (ending.by === 'seen' && ending.seen.state === 'absent' && handle.runner === null) {
      const settled = await reached(handle, (host) => settle(host, handle));
      if (settled === 'never-started') ending.seen.never = true;
    }
    if (leavesProcesses(ending)) await terminate(handle, 1, false);
    let outcome = outcomeOf(handle, ending);
    if (ending.by === 'seen' && ending.seen.state !== 'absent') {
      const { seen } = ending;
      await reached(handle, (host) => fetchAll(host, handle, seen)).catch((error: unknown) => {
        if (!(error instanceof HostError)) throw error;
        outcome = unfetched(outcome, error);
      });
    }
    keepOutcome(handle.folder, outcome);
    clearing.clear(handle);
    // Its job ends here; its processes are ended when the machine comes back.
    if (ending.by === 'patience') void clearing.lost(handle);
    return outcome;
  }

  function waitFor(handle: RemoteHandle): Promise<Outcome> {
    const known = waits.get(handle.there);
    if (known !== undefined) return known;
    const ended = new Promise<Ending>((resolve) => {
      watch(handle.host).add(
        handle,
        followStreams(() => hostFor(handle), handle),
        resolve,
      );
    });
    const made = ended.then((ending) => finish(handle, ending)).finally(() => waits.delete(handle.there));
    waits.set(handle.there, made);
    return made;
  }

  return {
    async start(command: ExecutorCommand, files: ExecutorFiles): Promise<RemoteHandle> {
      const handle = notePlace(files.folder, planned(command, files));
      if (handle === null) throw new Error(`The run in ${files.folder} was given up before it started.`);
      if (readOutcome(files.folder) !== null) return handle;
      clearing.arrived(handle);
      const launched = await launch(await hostFor(handle), instance, command, files, handle).catch(
        (error: unknown) => {
          // It was not started, and never will be.
          clearing.clear(handle);
          throw error;
        },
      );
      // Its streams are followed from the beginning; a later caller gets any error.
      waitFor(launched).catch(() => {});
      return launched;
    },

    async wait(given: Handle, signal?: AbortSignal): Promise<Outcome> {
      const handle = given as RemoteHandle;
      const known = readOutcome(handle.folder);
      if (known !== null) {
        clearing.clear(handle);
        return known;
      }
      const waited = waitFor(handle);
      if (signal === undefined) return waited;
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const leave = () => reject(signal.reason as Error);
        signal.addEventListener('abort', leave, { once: true });
        waited.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
      });
    },

    async cancel(given: Handle, killGrace: number): Promise<Receipt> {
      const handle = given as RemoteHandle;
      const { there } = handle;
      cancelling.set(there, (cancelling.get(there) ?? 0) + 1);
      try {
        return await terminate(handle, killGrace, true);
      } finally {
        const count = (cancelling.get(there) ?? 1) - 1;
        if (count > 0) cancelling.set(there, count);
        else cancelling.delete(there);
        if (readOutcome(handle.folder) !== null) clearing.clear(handle);
      }
    },

    async recover(_uuid: string, folder: string, stored: Handle | null): Promise<Handle | 'never-started'> {
      if (!existsSync(folder)) return 'never-started';
      const handle = (stored as RemoteHandle | null) ?? notePlace(folder, null);
      if (handle === null) return 'never-started';
      if (stored !== null || readOutcome(folder) !== null) return handle;
      const from = performance.now();
      const late = AbortSignal.timeout(Math.max(1, Math.ceil(recoverTime)));
      try {
        const settled = await settle(await hostFor(handle), handle, late);
        if (settled === 'never-started') clearing.clear(handle);
        return settled;
      } catch (error) {
        if (error instanceof HostError || late.aborted) return handle;
        throw error;
      } finally {
        recoverTime -= performance.now() - from;
      }
    },

    async close(): Promise<void> {
      // Waiting calls keep waiting, as the runs go on; the next process asks again.
      for (const each of watches.values()) each.stop();
      watches = new Map();
      waits.clear();
      await clearing.close();
    },
  };
}
