import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readyLeft, type ServiceRules } from '../../domain/services/service.js';
import type { RunMarks } from '../../drivers/processes/members.js';
import { listensOn } from '../../drivers/processes/ports/port-owner.js';
import { capLog } from './cap-log.js';
import { lineSearch } from './line-search.js';

/** Milliseconds between two checks: of a service that is not ready yet, of one that is, and of logs that were just cut. */
const soon = 50;
const calm = 500;
const atOnce = 10;

/** A start that is being watched. */
interface Watched {
  /** Its attempt's folder. */
  folder: string;
  /** The marks that identify its processes. */
  program: RunMarks;
  rules: ServiceRules;
  /** Seconds since its program was started. */
  up: () => number;
  /** Already known, for a program that was found after a restart of Penstock. */
  ready: boolean;
}

/** Callbacks for what happens to a start. */
interface WatchTold {
  ready(): Promise<void>;
  /** It will not become ready; called once, with the reason. */
  failed(reason: string): void;
  /** Its log cannot be kept within its limit. */
  trouble(error: unknown): void;
}

/** Watches a running program until `signal` is aborted: whether it is ready, and how large its logs are. */
export async function watchService(watched: Watched, told: WatchTold, signal: AbortSignal): Promise<void> {
  const { folder, rules } = watched;
  const isReady = readiness(watched);
  let { ready } = watched;
  let failed = false;
  const look = async () => {
    if (ready || failed) return;
    try {
      if (await isReady()) {
        ready = true;
        await told.ready();
      } else if (readyLeft(rules, watched.up()) <= 0) {
        failed = true;
        told.failed(`It was not ready within ${rules.readyTimeout} s.`);
      }
    } catch (error) {
      failed = true;
      told.failed(error instanceof Error ? error.message : String(error));
    }
  };
  let troubled = false;
  const cap = async () => {
    let cut = false;
    for (const stream of ['stdout', 'stderr']) {
      try {
        if (await capLog(path.join(folder, stream), rules.logSize)) cut = true;
      } catch (error) {
        if (!troubled) told.trouble(error);
        troubled = true;
      }
    }
    return cut;
  };
  while (!signal.aborted) {
    await look();
    // Only after the check: the expected line must be seen before it is cut away.
    const cut = await cap();
    const pause = cut ? atOnce : ready || failed ? calm : soon;
    await delay(pause, undefined, { signal, ref: false }).catch(() => {});
  }
  await cap();
}

/** The check whether a start is ready. */
function readiness({ rules: { ready }, folder, program }: Watched): () => boolean | Promise<boolean> {
  switch (ready.by) {
    case 'start':
      return () => true;
    case 'port':
      return () => listensOn(Number(ready.port), program);
    case 'line':
      return lineSearch(path.join(folder, 'stdout'), ready.line);
  }
}
