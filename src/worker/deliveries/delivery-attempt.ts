import { eventMessage } from '../../domain/jobs/event-message.js';
import type { Answer, Outlet } from '../../drivers/outlets/outlet.js';
import { type Backoff, backoffDelay } from '../../lib/backoff.js';
import type { Attempt, PendingRow, Settled } from '../../store/deliveries.js';
import type { Store } from '../../store/store.js';
import type { Sequence } from './receiver.js';

export interface AttemptOptions {
  store: Store;
  /** By URL scheme; deliveries without an outlet wait. */
  outlets: Readonly<Record<string, Outlet>>;
  secretOf: (ownerId: number | null, url: string) => string;
  /** Milliseconds. */
  maxPause: number;
  keepTrying: number;
}

/** What comes after an attempt: the sequence's next row, the same one after a wait (milliseconds), or none for now. */
export type Next = { do: 'next' } | { do: 'again'; wait: number } | { do: 'drop'; lookAgain?: true };

type Result = Omit<Settled, 'id' | 'updated'>;

const gone = 410;
const tooMany = 429;
const tooSlow = 408;
/** Seconds. */
const firstPause = 1;

export const schemeOf = (url: string): string => url.slice(0, url.indexOf(':'));

/** What counts as one receiver: a web server, or a stream. */
export const receiverKey = (url: string): string => (/^https?:/.test(url) ? new URL(url).origin : url);

/** Users who lost the right to see a job get no more of its events. */
const mayBeTold = ({ ownerId, ownerActive, ownerAdmin, jobOwnerId }: Attempt): boolean =>
  ownerId === null || (ownerActive && (ownerAdmin || ownerId === jobOwnerId));

/**
 * Sends a sequence's first row with the current state of its event and subscription.
 *
 * @returns the receiver's answer; or, if nothing was sent, what comes next and what to store
 */
export async function tryDelivery(
  { store, outlets, secretOf }: AttemptOptions,
  sequence: Sequence,
  row: PendingRow,
  signal: AbortSignal,
): Promise<{ answer: Answer } | { next: Next; result?: Result }> {
  const what = await store.deliveries.attempt(row.id);
  if (what === null || what.state !== 'pending') return { next: { do: 'next' } };
  if (!what.active) return { next: { do: 'drop' } };
  const { url } = what;
  if (receiverKey(url) !== sequence.receiver.key) return { next: { do: 'drop', lookAgain: true } };
  const untold = { attempts: row.attempts, notBefore: null, status: row.status };
  if (!mayBeTold(what)) {
    const error = 'the owner is no longer allowed to see this job';
    return { next: { do: 'next' }, result: { ...untold, state: 'dead', error } };
  }
  const outlet = outlets[schemeOf(url)];
  if (outlet === undefined) {
    const error = `this configuration cannot deliver to ${schemeOf(url)}: URLs`;
    return { next: { do: 'drop' }, result: { ...untold, state: 'pending', error } };
  }
  row.url = url;
  const told = eventMessage(what, what.format);
  return { answer: await outlet.send({ ...told, url, secrets: [secretOf(what.ownerId, url)] }, signal) };
}

/**
 * What an answer means for the delivery and for the health of the receiver.
 *
 * @param row with the attempt counted
 * @param random a number in [0, 1)
 */
export function judge(
  row: PendingRow,
  { accepted, status, error, retryAfter = 0 }: Answer,
  { maxPause, keepTrying }: AttemptOptions,
  now: number,
  random: number,
): { result: Result; well: boolean; wait: number; asked: number; backoff: Backoff } {
  const backoff = { initial: firstPause, factor: 2, maximum: maxPause / 1000 };
  const asked = Math.min(retryAfter, maxPause);
  const wait = Math.max(asked, backoffDelay(backoff, row.attempts, random));
  const well = status !== null && status < 500 && status !== tooMany && status !== tooSlow;
  const common = { attempts: row.attempts, notBefore: null, status, error };
  const say = (result: Result) => ({ result, well: accepted || well, wait, asked, backoff });
  if (accepted) return say({ ...common, state: 'delivered' });
  if (status === gone) {
    const why = `${error ?? ''}; the subscription was switched off`;
    return say({ ...common, state: 'dead', error: why, refused: row.subscriptionId });
  }
  if (now - row.since >= keepTrying) return say({ ...common, state: 'dead' });
  return say({ ...common, state: 'pending', notBefore: new Date(now + wait) });
}
