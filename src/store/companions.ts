import type { Job } from '../domain/jobs/job.js';
import { storedDate } from './sqlite/job-sql.js';

/** A request that must create only one job, however often it is sent. */
export interface IdempotencyKey {
  key: string;
  fingerprint: string;
}

/** What is stored of the nonce of a job's callback. */
export interface StoredNonce {
  actor: string;
  name: string;
  hash: string;
  description: string;
}

/** What may be stored together with a new job. */
export interface JobCompanions {
  key?: IdempotencyKey | null;
  /** The nonce of its callback. */
  nonce?: StoredNonce | null;
  subscriptions?: readonly { url: string; events: readonly string[] | null; format: string }[] | undefined;
}

/** How to store companions: the statement, and the arrays that it reads, each in the order of its columns. */
interface Companion {
  sql: string;
  records: (write: JobCompanions & { job: Job }) => unknown[][];
}

/** Written in this order, and before the events, so that a subscription gets even the first event. */
export const companions = {
  keys: {
    sql: `INSERT INTO "idempotency_key" ("owner_id", "key", "fingerprint", "job_id", "created")
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)`,
    records: ({ job, key }) =>
      key ? [[job.ownerId, key.key, key.fingerprint, job.id, storedDate(job.created)]] : [],
  },
  nonces: {
    sql: `INSERT INTO "nonce"
        ("owner_id", "actor", "name", "hash", "level", "max_uses", "description", "job_id", "created")
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'EXECUTE', -1, value ->> 4, value ->> 5, value ->> 6
      FROM json_each(?)`,
    records: ({ job, nonce }) =>
      nonce
        ? [
            [
              job.ownerId,
              nonce.actor,
              nonce.name,
              nonce.hash,
              nonce.description,
              job.id,
              storedDate(job.created),
            ],
          ]
        : [],
  },
  subscriptions: {
    sql: `INSERT INTO "subscription" ("owner_id", "job_id", "url", "events", "format", "created", "updated")
      SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 5 FROM json_each(?)`,
    records: ({ job, subscriptions = [] }) =>
      subscriptions.map(({ url, events, format }) => [
        job.ownerId,
        job.id,
        url,
        events === null ? null : JSON.stringify(events),
        format,
        storedDate(job.created),
      ]),
  },
} as const satisfies Record<string, Companion>;

export type CompanionKind = keyof typeof companions;
