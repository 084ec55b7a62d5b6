import { createHash, createHmac, randomBytes } from 'node:crypto';
import { PenstockError } from '../../lib/errors.js';
import { networkOf } from '../../lib/network.js';
import { putNewest } from '../../lib/newest.js';
import { openTurns } from '../../lib/turns.js';
import type { Store } from '../../store/store.js';
import type { User } from '../../store/users.js';
import type { Actor } from '../actor.js';
import { type FailureKey, failureCounter } from './failures.js';
import { type Hasher, hashingTurn } from './hashing.js';

/** What is stored of a token: it is long and random, so a fast hash is enough. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');

const mostEntries = 10_000;
/** The most passwords waiting to be checked, in all and from one address; beyond that the answer is 429. */
const mostWaiting = 128;
const mostWaitingOfOne = 64;

const actorOf = (user: User): Actor => ({
  id: user.id,
  username: user.username,
  admin: user.role === 'admin',
});

const secretKey = (kind: string, address: string): FailureKey[] => [
  { kind: 'secret', of: `${kind} ${networkOf(address)}` },
];

/** Who may log in, and how fast they may guess. */
export function loginService(
  store: Store,
  options: {
    memory: number;
    clock: () => Date;
    /** The user behind a login that is not stored with the users, or null. */
    configured: (username: string, password: string) => Promise<Actor | null>;
  },
) {
  const now = () => options.clock().getTime();
  /** A key of this process only, so that what is remembered of a password is useless elsewhere. */
  const key = randomBytes(32);
  const remembered = new Map<string, { actor: Actor; until: number }>();
  const failures = failureCounter(now);
  /** Names that have logged in from an address: failures of others at that address do not slow them down. */
  const familiar = new Map<string, true>();
  /** How many are waiting, by address. */
  const waiting = new Map<string, number>();
  let allWaiting = 0;
  /** Guesses at the same name wait for each other; otherwise all guesses of a burst would count as the first. */
  const checking = new Map<string, Promise<Actor | null>>();
  const inTurn = openTurns<string>();
  /** Rises when something is forgotten: what was read before that is not remembered after it. */
  let age = 0;
  let dummyHash: Promise<string> | undefined;
  const forgetters: (() => void)[] = [];

  /** Enters the queue, or throws `too-many-logins`. Returns what leaves it. */
  function queue(network: string): () => void {
    const own = waiting.get(network) ?? 0;
    if (own >= mostWaitingOfOne || allWaiting >= mostWaiting) {
      throw new PenstockError(
        'too-many-logins',
        'Too many logins are waiting to be checked. Try again in 2 s.',
        {
          headers: { 'Retry-After': '2' },
        },
      );
    }
    allWaiting += 1;
    waiting.set(network, own + 1);
    return () => {
      allWaiting -= 1;
      const left = (waiting.get(network) ?? 1) - 1;
      if (left === 0) waiting.delete(network);
      else waiting.set(network, left);
    };
  }

  async function check(hasher: Hasher, username: string, password: string): Promise<Actor | null> {
    const configured = await options.configured(username, password);
    if (configured !== null) return configured;
    const user = await store.users.byName(username);
    // An unknown name takes as long as a known one.
    dummyHash ??= hasher.hash(randomBytes(16).toString('hex'));
    const stored = user?.passwordHash ?? (await dummyHash);
    const right = await hasher.verify(stored, password);
    return right && user?.active ? actorOf(user) : null;
  }

  async function guess(username: string, password: string, network: string, digest: string) {
    const pair = `${network} ${username}`;
    const own: FailureKey[] = [
      { kind: 'name', of: username },
      { kind: 'pair', of: pair },
    ];
    const address: FailureKey = { kind: 'address', of: network };
    return hashingTurn(async (hasher) => {
      // Checked only now: of many that came at once, the first have failed meanwhile.
      failures.refuseIfSlowed(familiar.has(pair) ? own : [...own, address]);
      const before = age;
      const actor = await check(hasher, username, password);
      if (actor === null) {
        failures.note([...own, address]);
        return null;
      }
      failures.forget(own);
      putNewest(familiar, pair, true, mostEntries);
      if (options.memory > 0 && age === before) {
        putNewest(remembered, digest, { actor, until: now() + options.memory }, mostEntries);
      }
      return actor;
    });
  }

  return {
    /**
     * The user behind a name and password, or null. Correct passwords are remembered for a while as a keyed hash.
     * Throws `too-many-failed-logins` when this address or this name has failed too often, and `too-many-logins` when
     * too many wait to be checked.
     */
    async byPassword(username: string, password: string, address: string): Promise<Actor | null> {
      const digest = createHmac('sha256', key).update(`${username}\0${password}`).digest('base64');
      const known = remembered.get(digest);
      if (known !== undefined && known.until > now()) return known.actor;
      const pending = checking.get(digest);
      if (pending !== undefined) return pending;
      const network = networkOf(address);
      const leave = queue(network);
      const answer = inTurn(username, () => guess(username, password, network, digest));
      checking.set(digest, answer);
      try {
        return await answer;
      } finally {
        checking.delete(digest);
        leave();
      }
    },

    /** The user behind an API token, or null. */
    async byToken(token: string, address: string): Promise<Actor | null> {
      const digest = hashToken(token);
      const known = remembered.get(`token:${digest}`);
      if (known !== undefined && known.until > now()) return known.actor;
      const before = age;
      const row = await store.tokens.byHash(digest);
      const valid = row?.owner.active && (row.expires === null || row.expires > options.clock());
      if (!valid) {
        // A correct token is never refused because of others' failures at its address: nobody guesses 240 bits.
        const guesses = secretKey('token', address);
        failures.refuseIfSlowed(guesses);
        failures.note(guesses);
        return null;
      }
      const actor = actorOf(row.owner);
      const until = Math.min(now() + options.memory, row.expires?.getTime() ?? Number.POSITIVE_INFINITY);
      if (age === before) putNewest(remembered, `token:${digest}`, { actor, until }, mostEntries);
      return actor;
    },

    /** After a change to a user or a token: nothing that was verified before counts any longer. */
    forget(userId: number): void {
      age += 1;
      for (const [name, entry] of remembered) if (entry.actor.id === userId) remembered.delete(name);
      for (const tell of forgetters) tell();
    },

    /** Calls back whenever something is forgotten, for others that cache logins. */
    onForget(tell: () => void): void {
      forgetters.push(tell);
    },

    /** Throws `too-many-failed-logins` while an address has to wait before its next guess at a secret. */
    mayGuess: (kind: string, address: string): void => failures.refuseIfSlowed(secretKey(kind, address)),

    /** Counts a wrong secret from an address. Throws `too-many-failed-logins` once there were too many. */
    wrongSecret(kind: string, address: string): void {
      const keys = secretKey(kind, address);
      failures.refuseIfSlowed(keys);
      failures.note(keys);
    },
  };
}

export type LoginService = ReturnType<typeof loginService>;
