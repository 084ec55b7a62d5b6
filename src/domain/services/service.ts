import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { parseSize } from '../../lib/size.js';
import type { RestartMode } from '../definitions/definition-document.js';
import type { Job } from '../jobs/job.js';
import { isUnfinished } from '../jobs/job-state.js';
import type { Outcome } from '../jobs/outcome.js';
import { succeeded } from '../jobs/outcome.js';

/** How it is known that a service does its work: at once, when a port is listened on, or by a line on STDOUT. */
export type Ready = { by: 'start' } | { by: 'port'; port: number | string } | { by: 'line'; line: string };

/** What a definition says of a service, with every default filled in. Times in seconds, sizes in bytes. */
export interface ServiceRules {
  restartMode: RestartMode;
  /** Restarts in a row, each before the program was up for `stableAfter`; null is no limit. */
  restartLimit: number | null;
  backoff: Backoff;
  stableAfter: number;
  ready: Ready;
  readyTimeout: number;
  /** Where the older part of a log is cut away. */
  logSize: number;
}

const defaultLogSize = 10_000_000;
/** What is cut away is told in a line of its own: for that, and for a few more, there must be room. */
const leastLogSize = 4096;

/** A definition's service; null for one that is none. Older definitions may say what means nothing for a service. */
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
  /** Another start would end the same way. */
  permanent: boolean;
}

/** What follows an end: the next start after a wait (milliseconds), or the end of the service itself. */
export type Verdict =
  | { next: 'start'; wait: number; inARow: number }
  | { next: 'finish' }
  | { next: 'fail'; reason: string | null };

/**
 * Whether a program that ended is started again, and when.
 *
 * @param inARow restarts so far without having been up for `stableAfter`
 * @param random a number in [0, 1), for the back-off's jitter
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
          : `It was given up after ${restarts} without being up for ${rules.stableAfter} s.`,
    };
  }
  return { next: 'start', wait: backoffDelay(rules.backoff, next, random), inARow: next };
}

/** How a service is, in one word. */
export const healths = ['starting', 'ready', 'waiting', 'stopping', 'ended'] as const;
export type Health = (typeof healths)[number];

/** What somebody wants of a service: kept with it, so that it is carried through after a crash, too. */
export interface Asked {
  what: 'stop' | 'restart' | 'cancel';
  by: string;
}

const deeds = { stop: 'Stopped', restart: 'Restarted', cancel: 'Cancelled' } as const;

/** Why a program was ended that somebody asked to end. */
export const reasonOf = ({ what, by }: Asked): string => `${deeds[what]} by ${by}.`;

/** How a service is: the job's `service`. It is stored and shown as it stands; changed by events only. Dates are ISO 8601. */
export interface ServiceState {
  health: Health;
  /** It does its work, as far as its definition can tell. */
  ready: boolean;
  /** Since when its health is what it is. */
  since: string;
  /** Starts after the first. */
  restarts: number;
  /** Those of them that came one after the other, none up for `stable_after`. */
  in_a_row: number;
  /** How its program ended the last time it did. */
  last_end: (Outcome & { attempt: number; date: string }) | null;
  /** When it is started again, while it waits for that. */
  next_start: string | null;
  asked: Asked | null;
}

/** True for a job that has reached its end, and for a service that does its work. */
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

/** The state with another health. */
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

/** Seconds until a start that has been up for so many seconds, and is not ready yet, counts as failed. */
export const readyLeft = (rules: ServiceRules, up: number): number => Math.max(0, rules.readyTimeout - up);

/** The longest text of a line that is looked at, in characters: what comes after it in the line does not count. */
export const longestLine = 4096;

/** Why a text is no regular expression, or undefined if it is one. */
export function expressionProblem(source: string): string | undefined {
  try {
    new RegExp(source, 'u');
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^Invalid regular expression: /, '');
  }
}
