import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isUuid } from '../../../domain/external-jobs/typed-uuid.js';
import type { Host } from '../../hosts/host.js';
import { clearScript, leftScript } from '../../hosts/scripts/remote-clear.js';
import type { RemoteHandle } from './remote-handle.js';

/** The machine and folder of a run. */
type Left = Pick<RemoteHandle, 'host' | 'there'>;

interface ClearingOptions {
  hostOf: (name: string) => Host | Promise<Host>;
  /** Ends all processes of that folder. */
  terminate: (host: Host, left: Left) => Promise<unknown>;
  /** True while a run is being cancelled: its folder stays until that is done. */
  isCancelling: (there: string) => boolean;
  /** Which of these jobs have ended for good. Nothing of the others is touched. */
  isOver: (uuids: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** Milliseconds allowed for removing folders of ended runs, however large. */
const removeTimeout = 600_000;
/** Milliseconds that a machine may take to clean up at shutdown. */
const closePatience = 2000;
/** Milliseconds between two attempts to reach a machine that was unreachable. */
const returning = { initial: 5000, factor: 2, maximum: 600_000 };

/** The folder of all runs of ours on a machine, of which a run's own is `UUID/ATTEMPT`. */
const rootOf = ({ there }: Left) => path.posix.dirname(path.posix.dirname(there));

/** Cleans up what ended runs left on their machines: soon after each run, and later whatever was missed. */
export function openClearing({ hostOf, terminate, isCancelling, isOver }: ClearingOptions) {
  const closing = new AbortController();
  const working = new Set<Promise<void>>();
  const batches = new Map<string, Map<string, Left>>();
  /** Machines and folders that were searched, or will be. */
  const swept = new Set<string>();

  /** Runs it in the background; a failure only costs disk space, and is made up for later. */
  function beside(act: () => Promise<void>): void {
    const work = act()
      .catch(() => {})
      .finally(() => working.delete(work));
    working.add(work);
  }

  async function clearNow(name: string, all: readonly Left[]): Promise<void> {
    const ready = all.filter(({ there }) => !isCancelling(there));
    if (ready.length === 0) return;
    const host = await hostOf(name);
    const ask = (some: readonly Left[]) =>
      host.run(clearScript, {
        timeout: removeTimeout,
        input: some.map(({ there }) => `${there}\n`).join(''),
      });
    const { stdout } = await ask(ready);
    const left = ready.filter(({ there }) => stdout.includes(`left ${there}\n`));
    for (const one of left) await terminate(host, one);
    if (left.length > 0) await ask(left);
  }

  /** Searches the folder of all runs for those of ended jobs. */
  async function sweep(name: string, root: string): Promise<void> {
    const host = await hostOf(name);
    const { stdout } = await host.run(leftScript, { timeout: removeTimeout, args: [root] });
    const found = stdout.split('\n').flatMap((line) => {
      const [uuid = '', attempt = ''] = line.split('/');
      return isUuid(uuid) && /^\d+$/.test(attempt) ? [{ uuid, there: `${root}/${uuid}/${attempt}` }] : [];
    });
    const over = await isOver([...new Set(found.map(({ uuid }) => uuid))]);
    await clearNow(
      name,
      found.filter(({ uuid }) => over.has(uuid)).map(({ there }) => ({ host: name, there })),
    );
  }

  return {
    /** Removes what an ended run left on its machine: many at once, when there is time. */
    clear(run: Left): void {
      const batch = batches.get(run.host);
      if (batch !== undefined) {
        batch.set(run.there, run);
        return;
      }
      const mine = new Map([[run.there, run]]);
      batches.set(run.host, mine);
      beside(async () => {
        await delay(200);
        batches.delete(run.host);
        await clearNow(run.host, [...mine.values()]);
      });
    },

    /** A machine is used for the first time since our start: whatever was missed before is cleaned up. */
    arrived(run: Left): void {
      const key = `${run.host} ${rootOf(run)}`;
      if (swept.has(key)) return;
      swept.add(key);
      beside(() => sweep(run.host, rootOf(run)));
    },

    /** A run was given up because its machine is unreachable: its processes are ended when the machine comes back. */
    async lost(run: Left): Promise<void> {
      const { initial, factor, maximum } = returning;
      for (let wait = initial; !closing.signal.aborted; wait = Math.min(wait * factor, maximum)) {
        await delay(wait, undefined, { signal: closing.signal, ref: false }).catch(() => {});
        if (closing.signal.aborted) return;
        try {
          return await sweep(run.host, rootOf(run));
        } catch {
          // Still unreachable, or no longer ours.
        }
      }
    },

    async close(): Promise<void> {
      closing.abort();
      await Promise.race([Promise.all(working), delay(closePatience, undefined, { ref: false })]);
    },
  };
}
