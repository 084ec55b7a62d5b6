import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { parseSize } from '../../lib/size.js';
import type { RestartMode } from '../definitions/definition-document.js';
import type { Job } from '../jobs/job.js';
import { isUnfinished } from '../jobs/job-state.js';
import type { Outcome } from '../jobs/outcome.js';
import { succeeded } from '../jobs/outcome.js';

/** How a service shows that it is ready: by starting, by listening on a port, or by a line on STDOUT. */
export type Ready = { by: 'start' } | { by: 'port'; port: number | string } | { by: 'line'; line: string };

/** A definition's service settings, with every default filled in. Times in seconds, sizes in bytes. */
export interface ServiceRules {
  restartMode: RestartMode;
  /** The most restarts in a row without the program being up for `stableAfter`; null is no limit. */
  restartLimit: number | null;
  backoff: Backoff;
  stableAfter: number;
  ready: Ready;
  readyTimeout: number;
  /** The size of a log at which its older part is cut away. */
  logSize: number;
}

const defaultLogSize = 10_000_000;
/** A line of its own tells what was cut away: there must be room for it and a few more. */
const leastLogSize = 4096;

/**
 * A definition's service settings; null if it is not a service. Older definitions may hold keys that have no meaning
 * for a service.
 */
export function serviceOf(document: DefinitionDocument): ServiceRules | null {
  if (document.process_type !== 'service') return null;
  const { service = {}, limits = {} } = document;
  const initial = service.backoff?.initial ?? 1;
  return {
    restartMode: service.restart_mode ?? 'abnormal',
    restartLimit: service.restart_limit === undefined ? 10 : service.restart_limit,
    backoff: {
      initial,
      factor: service.backoff?.factor ?? 2,
      maximum: service.backoff?.maximum ?? Math.max(300, initial),
    },
    stableAfter: service.stable_after ?? 60,
    ready: readyOf(service.ready),
    readyTimeout: service.ready_timeout ?? 60,
    logSize: Math.max(leastLogSize, parseSize(limits.log_size ?? defaultLogSize) ?? defaultLogSize),
  };
}

function readyOf(ready: NonNullable<DefinitionDocument['service']>['ready'] = 'start'): Ready {
  if (typeof ready === 'string') return { by: 'start' };
  if ('port' in ready) return { by: 'port', port: ready.port };
  return { by: 'line', line: ready.line };
}

/** How a start ended; `up` is how long the program was up, in seconds. */
interface End {
  outcome: Outcome;
  up: number;
  /** A restart would end the same way. */
  permanent: boolean;
}

/** What follows when the program ends: a restart after a wait (milliseconds), or the end of the service itself. */
export type Verdict =
  | { next: 'start'; wait: number; inARow: number }
  | { next: 'finish' }
  | { next: 'fail'; reason: string | null };

/**
 * Whether and when a program that ended is restarted.
 *
 * @param inARow restarts so far without being up for `stableAfter`
 * @param random a number in [0, 1), for jitter
 */
export function afterEnd(
  rules: ServiceRules,
  successCodes: readonly number[],
  end: End,
  inARow: number,
  random: number,
): Verdict {
  const well = succeeded(end.outcome, successCodes);
  if (well && rules.restartMode !== 'always') return { next: 'finish' };
  if (rules.restartMode === 'never' || end.permanent) return { next: 'fail', reason: null };
  const next = end.up >= rules.stableAfter ? 1 : inARow + 1;
  if (rules.restartLimit !== null && next > rules.restartLimit) {
    const restarts = rules.restartLimit === 1 ? '1 restart' : `${rules.restartLimit} restarts in a row`;
    return {
      next: 'fail',
      reason:
        rules.restartLimit === 0
          ? 'It is not restarted: service.restart_limit is 0.'
          : `Penstock gave up after ${restarts} without being up for ${rules.stableAfter} s.`,
    };
  }
  return { next: 'start', wait: backoffDelay(rules.backoff, next, random), inARow: next };
}

/** The health of a service. */
export const healths = ['starting', 'ready', 'waiting', 'stopping', 'ended'] as const;
export type Health = (typeof healths)[number];

/** What somebody asked of a service: stored with it, so that it is carried out even after a crash. */
export interface Asked {
  what: 'stop' | 'restart' | 'cancel';
  by: string;
}

const deeds = { stop: 'Stopped', restart: 'Restarted', cancel: 'Cancelled' } as const;

/** The reason of a program that ended on request. */
export const reasonOf = ({ what, by }: Asked): string => `${deeds[what]} by ${by}.`;

/**
 * The state of a service: the job's `service`. It is stored and shown as it is, and changed only by events. Dates are
 * ISO 8601.
 */
export interface ServiceState {
  health: Health;
  /** Whether it is ready, as its definition defines that. */
  ready: boolean;
  /** Since when it has had this health. */
  since: string;
  /** Restarts in all. */
  restarts: number;
  /** The latest restarts in a row, none of them up for `stable_after`. */
  in_a_row: number;
  /** How its program last ended. */
  last_end: (Outcome & { attempt: number; date: string }) | null;
  /** The time of the next restart, while it waits for it. */
  next_start: string | null;
  asked: Asked | null;
}

/** True for a job that has ended, and for a service that is ready. */
export const isSettled = ({ state, service }: Pick<Job, 'state' | 'service'>): boolean =>
  !isUnfinished(state) || (service as ServiceState | null)?.ready === true;

/** A service before its first start. */
export const newServiceState = (now: Date): ServiceState => ({
  health: 'starting',
  ready: false,
  since: now.toISOString(),
  restarts: 0,
  in_a_row: 0,
  last_end: null,
  next_start: null,
  asked: null,
});

/** The state with a new health. */
export const withHealth = (
  state: ServiceState,
  health: Health,
  now: Date,
  more: Partial<ServiceState> = {},
): ServiceState => ({
  ...state,
  next_start: null,
  ...more,
  health,
  ready: health === 'ready',
  since: state.health === health ? state.since : now.toISOString(),
});

/** Seconds left to become ready for a start that has been up for `up` seconds. */
export const readyLeft = (rules: ServiceRules, up: number): number => Math.max(0, rules.readyTimeout - up);

/** How many characters of a line are matched; the rest of the line is ignored. */
export const longestLine = 4096;

/** Why a text is not a regular expression; undefined if it is one. */
export function expressionProblem(source: string): string | undefined {
  try {
    new RegExp(source, 'u');
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^Invalid regular expression: /, '');
  }
}
