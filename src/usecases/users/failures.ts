import { PenstockError } from '../../lib/errors.js';
import { putNewest } from '../../lib/newest.js';

/** The failures under one key. Times in milliseconds. */
interface Failures {
  /** How many there were, reduced as time passes. */
  count: number;
  last: number;
  /** The time before which the next attempt is refused. */
  until: number;
}

/** How a further failure adds to those before it. */
type Rule = (before: Failures | undefined, now: number) => Failures;

const mostEntries = 10_000;
const kept = 15 * 60_000;

/** From the third failure on the next attempt has to wait, twice as long each time. For one name, or one kind of secret. */
const doubling: Rule = (before, now) => {
  const count = before !== undefined && before.last + kept > now ? before.count + 1 : 1;
  const wait = count < 3 ? 0 : Math.min(60_000, 250 * 2 ** (count - 3));
  return { count, last: now, until: now + wait };
};

const burst = 20;
const oneMoreEach = 5000;

/** For an address alone, which many people may share: 20 at once, then one every 5 s. */
const leaking: Rule = (before, now) => {
  const left = before === undefined ? 0 : before.count - (now - before.last) / oneMoreEach;
  const count = Math.max(0, left) + 1;
  return { count, last: now, until: now + Math.max(0, count - burst + 1) * oneMoreEach };
};

const rules = { name: doubling, pair: doubling, secret: doubling, address: leaking } as const;

/** What failures are counted by: the kind decides how long further attempts wait. */
export interface FailureKey {
  kind: keyof typeof rules;
  of: string;
}

/** Counts failed logins, and refuses further ones for a while. The newest entries of each kind are kept. */
export function failureCounter(now: () => number) {
  const counted = new Map(Object.keys(rules).map((kind) => [kind, new Map<string, Failures>()]));
  const entries = (kind: string) => counted.get(kind) ?? new Map<string, Failures>();

  return {
    /** Throws `too-many-failed-logins` while one of the keys has to wait. */
    refuseIfSlowed(keys: readonly FailureKey[]): void {
      const until = Math.max(0, ...keys.map(({ kind, of }) => entries(kind).get(of)?.until ?? 0));
      const left = until - now();
      if (left <= 0) return;
      const seconds = Math.ceil(left / 1000);
      throw new PenstockError(
        'too-many-failed-logins',
        `Too many failed logins. Try again in ${seconds} s.`,
        {
          headers: { 'Retry-After': String(seconds) },
        },
      );
    },

    note(keys: readonly FailureKey[]): void {
      for (const { kind, of } of keys) {
        putNewest(entries(kind), of, rules[kind](entries(kind).get(of), now()), mostEntries);
      }
    },

    forget(keys: readonly FailureKey[]): void {
      for (const { kind, of } of keys) entries(kind).delete(of);
    },
  };
}
