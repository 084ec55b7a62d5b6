import { PenstockError } from '../../lib/errors.js';
import { validator } from '../../lib/schemas.js';
import type { StoredNonce } from '../../store/companions.js';
import type { NonceRow } from '../../store/nonces.js';
import type { Store } from '../../store/store.js';
import { type Actor, mayUse, scopeOf } from '../actor.js';
import { invalid } from '../body.js';
import { hashToken, type LoginService } from '../users/logins.js';
import { randomText } from './job-tokens.js';

/** What a nonce allows: each level includes those before it. */
export const levels = ['READ', 'EXECUTE', 'UPDATE'] as const;
export type Level = (typeof levels)[number];

/**
 * Who sends a nonce: its owner, but never as an admin, since URLs get around. The nonce of a callback is valid for one
 * job only.
 */
interface Redeemed {
  actor: Actor;
  jobId: number | null;
}

/** A new nonce for one job's callback: what is stored of it, and its text, which is shown once. */
export interface CallbackNonce extends StoredNonce {
  text: string;
}

const unlimited = -1;
const mostRemembered = 10_000;
const nameLength = 8;
const secretLength = 24;
const countEvery = 1000;

/** Nonces: logins that fit into a URL. They are redeemed one use at a time, however many requests come at once. */
export function nonceService(
  store: Store,
  logins: LoginService,
  options: { tenant: string; clock: () => Date },
) {
  const { tenant, clock } = options;
  const remembered = new Map<string, NonceRow>();
  /** Rises when something is forgotten: what was read before that is not remembered after it. */
  let age = 0;
  function forget(): void {
    age += 1;
    remembered.clear();
  }
  logins.onForget(forget);

  interface Asking {
    resolve: (granted: boolean) => void;
    reject: (error: unknown) => void;
  }
  /** Uses requested while an earlier write was in progress, by nonce. */
  const asking = new Map<number, Asking[]>();

  /** Writes the uses of one nonce in batches until no more are requested. */
  async function takeAll(id: number, waiting: Asking[]): Promise<void> {
    while (waiting.length > 0) {
      const round = waiting.splice(0);
      try {
        const taken = await store.nonces.take(id, round.length, clock());
        for (const [index, { resolve }] of round.entries()) resolve(index < taken);
      } catch (error) {
        for (const { reject } of round) reject(error);
      }
    }
    asking.delete(id);
  }

  /** One use of a nonce with limited uses: granted once it is written. */
  function take(id: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const waiting = asking.get(id);
      if (waiting !== undefined) {
        waiting.push({ resolve, reject });
        return;
      }
      const first = [{ resolve, reject }];
      asking.set(id, first);
      void takeAll(id, first);
    });
  }

  /** Uses of nonces without a limit: counted here and written together, and no request waits for the write. */
  const counted = new Map<number, number>();
  let counting: NodeJS.Timeout | undefined;

  async function writeCounts(): Promise<void> {
    clearTimeout(counting);
    counting = undefined;
    const uses = [...counted];
    counted.clear();
    if (uses.length > 0) await store.nonces.count(uses, clock()).catch(() => {});
  }

  function count(id: number): void {
    counted.set(id, (counted.get(id) ?? 0) + 1);
    counting ??= setTimeout(() => void writeCounts(), countEvery).unref();
  }

  async function find(text: string): Promise<NonceRow | null> {
    const hash = hashToken(text);
    const known = remembered.get(hash);
    if (known !== undefined) return known;
    const before = age;
    const row = await store.nonces.byHash(hash);
    if (row === null || age !== before) return row;
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(hash, row);
    return row;
  }

  function make(): { text: string; name: string; hash: string } {
    const name = `${tenant}_${randomText(nameLength)}`;
    const text = `${name}${randomText(secretLength)}`;
    return { text, name, hash: hashToken(text) };
  }

  /** A nonce of this actor by its name, or by its whole text, if the user may see it. */
  async function visible(who: Actor, actor: string, id: string): Promise<NonceRow> {
    const row = (await store.nonces.byName(id)) ?? (await store.nonces.byHash(hashToken(id)));
    if (row === null || row.actor !== actor || !mayUse(who, row.ownerId)) {
      throw new PenstockError('not-found', `There is no such nonce of ${actor}.`);
    }
    return row;
  }

  return {
    /** A nonce for the callback of a job, to be stored with it; null without an actor. */
    forCallback: (actor: string | null, uuid: string): CallbackNonce | null =>
      actor === null ? null : { ...make(), actor, description: `callback of ${uuid}` },

    /** Makes a nonce for an actor, as the JSON of `schemas/pipeline-jobs/nonce.json` asks. */
    async add(who: Actor, actor: string, given: unknown): Promise<{ row: NonceRow; text: string }> {
      const problems = validator('pipeline-jobs/nonce')(given);
      if (problems.length > 0) throw invalid('invalid-body', problems);
      const body = given as {
        level?: Level;
        maxUses?: number;
        expireTime?: string | null;
        description?: string;
      };
      const expires = body.expireTime ? new Date(body.expireTime) : null;
      if (expires !== null && expires <= clock()) {
        throw invalid('invalid-body', [
          { pointer: '/expireTime', detail: `${body.expireTime} is in the past` },
        ]);
      }
      const { text, name, hash } = make();
      const row = await store.nonces.add({
        ownerId: who.id,
        actor,
        name,
        hash,
        level: body.level ?? 'EXECUTE',
        maxUses: body.maxUses ?? unlimited,
        description: body.description ?? '',
        jobId: null,
        created: clock(),
        expires,
      });
      return { row, text };
    },

    list: (who: Actor, actor: string) => store.nonces.list(actor, scopeOf(who)),
    get: visible,

    async remove(who: Actor, actor: string, id: string): Promise<void> {
      const row = await visible(who, actor, id);
      await store.nonces.remove(row.id);
      forget();
    },

    /** Call it when nonces were changed behind our back: the cache is cleared. */
    forget,

    /**
     * Uses a nonce once. Throws `nonce-unknown`, `nonce-expired`, `nonce-used-up` (401) or `nonce-too-low` (403); only
     * a use that is allowed counts.
     *
     * @param level the level that is needed
     * @param address where the request came from, to slow down guessing
     */
    async redeem(actor: string, text: string, level: Level, address: string): Promise<Redeemed> {
      const row = await find(text);
      if (row === null || row.actor !== actor || !row.owner.active) {
        logins.wrongSecret('nonce', address);
        throw new PenstockError('nonce-unknown', `There is no such nonce of ${actor}.`);
      }
      if (row.expires !== null && row.expires <= clock()) {
        throw new PenstockError(
          'nonce-expired',
          `The nonce ${row.name} expired at ${row.expires.toISOString()}.`,
        );
      }
      if (levels.indexOf(row.level as Level) < levels.indexOf(level)) {
        throw new PenstockError(
          'nonce-too-low',
          `The nonce ${row.name} has level ${row.level}; this needs ${level}.`,
        );
      }
      if (row.maxUses === unlimited) count(row.id);
      else if (!(await take(row.id))) {
        throw new PenstockError(
          'nonce-used-up',
          `All ${row.maxUses} uses of the nonce ${row.name} are used up.`,
        );
      }
      const { id, username } = row.owner;
      return { actor: { id, username, admin: false }, jobId: row.jobId };
    },

    /** Writes the counts. */
    close: writeCounts,
  };
}

export type NonceService = ReturnType<typeof nonceService>;
