import { createHash } from 'node:crypto';
import type { Job } from '../../domain/jobs/job.js';
import { PenstockError } from '../../lib/errors.js';
import { openTurns } from '../../lib/turns.js';
import type { IdempotencyKey } from '../../store/companions.js';
import type { Store } from '../../store/store.js';
import type { Actor } from '../actor.js';
import type { Submitted } from './submitted.js';

/** Requests with an Idempotency-Key: a repeated request is answered with the job that the first one made. */
export function idempotency(store: Store) {
  /** Requests with the same key run one after the other. */
  const inTurn = openTurns<string>();

  /** The job that a key stands for, if the request is the same. */
  async function replay(actor: Actor, key: string, fingerprint: string): Promise<Job | null> {
    const known = await store.jobs.idempotencyKey(actor.id, key);
    if (known === null) return null;
    if (known.fingerprint !== fingerprint) {
      throw new PenstockError(
        'idempotency-conflict',
        `The Idempotency-Key '${key}' was used for another request. Use a new key for a new request.`,
      );
    }
    return store.jobs.byId(known.jobId);
  }

  /**
   * @param said everything that identifies the request
   * @param accept creates the job, and stores the key with it
   * @param drop deletes what was received for a job that already exists
   */
  return async function once(
    actor: Actor,
    key: string,
    said: readonly unknown[],
    accept: (key: IdempotencyKey) => Promise<Submitted>,
    drop: () => Promise<void>,
  ): Promise<Submitted> {
    const fingerprint = createHash('sha256').update(JSON.stringify(said)).digest('hex');
    return inTurn(`${actor.id}:${key}`, async () => {
      const known = await replay(actor, key, fingerprint);
      if (known === null) return accept({ key, fingerprint });
      await drop();
      return { job: known, token: null };
    });
  };
}

export type Once = ReturnType<typeof idempotency>;
