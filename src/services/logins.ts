import { createHash, createHmac, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { PenstockError } from '../errors.js';
import type { Store } from '../store/store.js';
import type { User } from '../store/users.js';
import type { Actor } from './actor.js';

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane (Password Storage Cheat Sheet, 2024). */
const argon2id = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

export const hashPassword = (password: string): Promise<string> => hash(password, argon2id);
/** What is stored of a token: it is long and random, so that a fast hash is enough. */
export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');

/** From the third failure on the next try has to wait, twice as long each time. */
const freeFailures = 3;
const longestWait = 60_000;
const failuresKept = 15 * 60_000;
const mostEntries = 10_000;

const actorOf = (user: User): Actor => ({
  id: user.id,
  username: user.username,
  admin: user.role === 'admin',
});

/** Who may log in, and how fast they may guess. */
export function loginService(
  store: Store,
  options: {
    memory: number;
    clock: () => Date;
    /** The user behind a login that is kept elsewhere than with the users, or null. */
    configured: (username: string, password: string) => Promise<Actor | null>;
  },
) {
  const now = () => options.clock().getTime();
  /** A key of this run only: what is remembered of a password cannot be tried elsewhere. */
  const key = randomBytes(32);
  const remembered = new Map<string, { actor: Actor; until: number }>();
  const failures = new Map<string, { count: number; until: number; last: number }>();
  /** Guesses at the same name wait for each other, or a burst would all be the first. */
  const checking = new Map<string, Promise<Actor | null>>();
  const turns = new Map<string, Promise<unknown>>();
  /** Rises when something is forgotten: what was read before that is not remembered after it. */
  let age = 0;
  let dummyHash: Promise<string> | undefined;
  const forgetters: (() => void)[] = [];

  function prune<T>(map: Map<string, T>, dead: (entry: T) => boolean): void {
    if (map.size < mostEntries) return;
    for (const [name, entry] of map) if (dead(entry)) map.delete(name);
    if (map.size >= mostEntries) map.clear();
  }

  function refuseIfSlowed(keys: readonly string[]): void {
    const until = Math.max(0, ...keys.map((name) => failures.get(name)?.until ?? 0));
    const left = until - now();
    if (left <= 0) return;
    const seconds = Math.ceil(left / 1000);
    throw new PenstockError('too-many-failed-logins', `Too many failed logins. Try again in ${seconds} s.`, {
      headers: { 'Retry-After': String(seconds) },
    });
  }

  function noteFailure(keys: readonly string[]): void {
    prune(failures, (entry) => entry.last + failuresKept < now());
    for (const name of keys) {
      const known = failures.get(name);
      const count = known !== undefined && known.last + failuresKept > now() ? known.count + 1 : 1;
      const wait = count < freeFailures ? 0 : Math.min(longestWait, 250 * 2 ** (count - freeFailures));
      failures.set(name, { count, until: now() + wait, last: now() });
    }
  }

  async function check(username: string, password: string): Promise<Actor | null> {
    const configured = await options.configured(username, password);
    if (configured !== null) return configured;
    const user = await store.users.byName(username);
    // An unknown name takes as long as a known one.
    dummyHash ??= hashPassword(randomBytes(16).toString('hex'));
    const stored = user?.passwordHash ?? (await dummyHash);
    const right = await verify(stored, password).catch(() => false);
    return right && user?.active ? actorOf(user) : null;
  }

  async function inTurn<T>(username: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(username) ?? Promise.resolve()).then(work);
    const settled = mine.catch(() => {});
    turns.set(username, settled);
    try {
      return await mine;
    } finally {
      if (turns.get(username) === settled) turns.delete(username);
    }
  }

  return {
    /**
     * The user behind a name and password, or null. Right ones are remembered for a while, as a keyed hash.
     * Throws `too-many-failed-logins` when this address or this name has failed too often.
     */
    async byPassword(username: string, password: string, address: string): Promise<Actor | null> {
      const digest = createHmac('sha256', key).update(`${username}\0${password}`).digest('base64');
      const known = remembered.get(digest);
      if (known !== undefined && known.until > now()) return known.actor;
      const keys = [`address:${address}:${username}`, `name:${username}`];
      const pending = checking.get(digest);
      if (pending !== undefined) return pending;
      const answer = inTurn(username, async () => {
        refuseIfSlowed(keys);
        const before = age;
        const actor = await check(username, password);
        if (actor === null) {
          noteFailure(keys);
          return null;
        }
        for (const name of keys) failures.delete(name);
        prune(remembered, (entry) => entry.until < now());
        if (options.memory > 0 && age === before) {
          remembered.set(digest, { actor, until: now() + options.memory });
        }
        return actor;
      });
      checking.set(digest, answer);
      try {
        return await answer;
      } finally {
        checking.delete(digest);
      }
    },

    /** The user behind an API token, or null. */
    async byToken(token: string, address: string): Promise<Actor | null> {
      const digest = hashToken(token);
      const known = remembered.get(`token:${digest}`);
      if (known !== undefined && known.until > now()) return known.actor;
      refuseIfSlowed([`token:${address}`]);
      const before = age;
      const row = await store.tokens.byHash(digest);
      const valid = row?.owner.active && (row.expires === null || row.expires > options.clock());
      if (!valid) {
        noteFailure([`token:${address}`]);
        return null;
      }
      const actor = actorOf(row.owner);
      const until = Math.min(now() + options.memory, row.expires?.getTime() ?? Number.POSITIVE_INFINITY);
      prune(remembered, (entry) => entry.until < now());
      if (age === before) remembered.set(`token:${digest}`, { actor, until });
      return actor;
    },

    /** After a change to a user or a token: nothing that was verified before counts any more. */
    forget(userId: number): void {
      age += 1;
      for (const [name, entry] of remembered) if (entry.actor.id === userId) remembered.delete(name);
      for (const tell of forgetters) tell();
    },

    /** Calls back whenever something is forgotten, for others that remember logins. */
    onForget(tell: () => void): void {
      forgetters.push(tell);
    },

    /** Throws `too-many-failed-logins` while an address has to wait with its next guess at a secret. */
    mayGuess: (kind: string, address: string): void => refuseIfSlowed([`${kind}:${address}`]),

    /** Counts a wrong secret from an address. Throws `too-many-failed-logins` once there were too many. */
    wrongSecret(kind: string, address: string): void {
      const keys = [`${kind}:${address}`];
      refuseIfSlowed(keys);
      noteFailure(keys);
    },
  };
}

export type LoginService = ReturnType<typeof loginService>;
