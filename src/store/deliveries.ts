import type { Format, ToldEvent } from '../domain/jobs/event-message.js';
import type { ListQuery } from '../domain/query.js';
import type { Delivery } from './generated/client.js';
import { pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import {
  attemptSql,
  pendingSql,
  refusedSql,
  replaySql,
  sequenceSql,
  settleSql,
} from './sqlite/delivery-sql.js';
import { storedDate } from './sqlite/job-sql.js';
import type { Writer } from './sqlite/writer.js';

const include = {
  subscription: { select: { ownerId: true, url: true } },
  job: { select: { uuid: true } },
  event: { select: { uuid: true, name: true } },
} as const;
/** A delivery with the names of what it belongs to. */
export type ShownDelivery = Delivery & {
  subscription: { ownerId: number | null; url: string };
  job: { uuid: string };
  event: { uuid: string; name: string };
};

/** A pending delivery in short form, since the dispatcher holds many. Times in milliseconds. */
export interface PendingRow {
  id: number;
  subscriptionId: number;
  jobId: number;
  ownerId: number | null;
  url: string;
  active: boolean;
  attempts: number;
  status: number | null;
  notBefore: number | null;
  /** The time of the event, or of the latest replay: attempts count from then. */
  since: number;
}

/** Everything that a message is made of, as of the moment it is sent. */
export interface Attempt extends ToldEvent {
  state: string;
  url: string;
  format: Format;
  active: boolean;
  everyones: boolean;
  ownerId: number | null;
  ownerActive: boolean;
  ownerAdmin: boolean;
  jobOwnerId: number;
}

/** What became of an attempt. */
export interface Settled {
  id: number;
  state: 'pending' | 'delivered' | 'dead';
  attempts: number;
  notBefore: Date | null;
  status: number | null;
  error: string | null;
  updated: Date;
  /** The subscription to switch off because its receiver is gone for good; its pending deliveries become dead. */
  refused?: number;
}

const columns = { job: 'job.uuid', subscription: 'subscriptionId' };
const flag = (value: unknown): boolean => value === true || Number(value) === 1;
/** A date of a raw row is either a Date or text. */
const dateOf = (value: unknown): Date => (value instanceof Date ? value : new Date(String(value)));
const time = (value: unknown): number | null => (value === null ? null : dateOf(value).getTime());

function pendingOf(row: Record<string, unknown>): PendingRow {
  const number = (key: string) => (row[key] === null ? null : Number(row[key]));
  return {
    id: Number(row.id),
    subscriptionId: Number(row.subscriptionId),
    jobId: Number(row.jobId),
    ownerId: number('ownerId'),
    url: String(row.url),
    active: flag(row.active),
    attempts: Number(row.attempts),
    status: number('status'),
    notBefore: time(row.notBefore),
    since: time(row.since) ?? 0,
  };
}

/** The outbox: which events to send where, and what became of them. */
export function deliveryRepository(reader: PrismaClient, writer: Writer) {
  const rows = async (sql: string, ...values: unknown[]) =>
    reader.$queryRawUnsafe<Record<string, unknown>[]>(sql, ...values);

  return {
    byId: (id: number): Promise<ShownDelivery | null> =>
      reader.delivery.findUnique({ where: { id }, include }),

    list: (ownerId: number | null, query: ListQuery) =>
      pageOf<ShownDelivery>(
        reader.delivery,
        ownerId === null ? {} : { subscription: { ownerId } },
        query,
        columns,
        include,
      ),

    /** How many are pending. */
    waiting: (): Promise<number> => reader.delivery.count({ where: { state: 'pending' } }),

    /** Pending deliveries in the order of their events, after an id. */
    async pending(after: number, take: number): Promise<PendingRow[]> {
      return (await rows(pendingSql, after, take)).map(pendingOf);
    },

    /** Pending deliveries of one job to one subscription. */
    async sequence(subscriptionId: number, jobId: number, take: number): Promise<PendingRow[]> {
      return (await rows(sequenceSql, subscriptionId, jobId, take)).map(pendingOf);
    },

    /** The lowest id that is pending for a subscription; null if none is. */
    async firstPending(subscriptionId: number): Promise<number | null> {
      const found = await reader.delivery.findFirst({
        where: { subscriptionId, state: 'pending' },
        orderBy: { id: 'asc' },
        select: { id: true },
      });
      return found?.id ?? null;
    },

    /** What to send now; null if the delivery no longer exists. */
    async attempt(id: number): Promise<Attempt | null> {
      const [row] = await rows(attemptSql, id);
      if (row === undefined) return null;
      const number = (key: string) => (row[key] === null ? null : Number(row[key]));
      return {
        ...(row as unknown as Attempt),
        date: dateOf(row.date).toISOString(),
        jobCreated: dateOf(row.jobCreated).toISOString(),
        active: flag(row.active),
        everyones: flag(row.everyones),
        ownerActive: flag(row.ownerActive),
        ownerAdmin: row.ownerRole === 'admin',
        ownerId: number('ownerId'),
        revision: Number(row.revision),
        jobOwnerId: Number(row.jobOwnerId),
        processDefinitionId: number('processDefinitionId'),
      };
    },

    /** Stores the results of many attempts in one write. Deliveries that are no longer pending stay as they are. */
    async settle(results: readonly Settled[]): Promise<void> {
      const records = results.map((result) => [
        result.id,
        result.state,
        result.attempts,
        result.notBefore === null ? null : storedDate(result.notBefore),
        result.status,
        result.error,
        storedDate(result.updated),
      ]);
      const refused = results.filter((result) => result.refused !== undefined);
      await writer.batch((client) => [
        client.$executeRawUnsafe(settleSql, JSON.stringify(records)),
        ...refused.flatMap(({ refused: id, updated, error }) => [
          client.subscription.updateMany({ where: { id: id ?? 0 }, data: { active: false, updated } }),
          client.$executeRawUnsafe(refusedSql, error, storedDate(updated), id),
        ]),
      ]);
    },

    /**
     * Makes deliveries pending again, with the same retry time as new ones.
     *
     * @param which one of them, or a subscription's, of events from a time on
     * @param states which ones; pending ones are left alone
     * @returns how many
     */
    async replay(
      which: { id: number } | { subscriptionId: number; since: Date | null },
      states: readonly string[],
      now: Date,
    ): Promise<number> {
      const [column, value, since] =
        'id' in which
          ? (['id', which.id, null] as const)
          : (['subscription_id', which.subscriptionId, which.since] as const);
      const date = storedDate(now);
      const from = since === null ? '' : storedDate(since);
      return writer.one((client) =>
        client.$executeRawUnsafe(replaySql(column), date, date, value, JSON.stringify(states), from),
      );
    },

    /**
     * Reads some deliveries in a state, in the order of their events, and removes those from before a time, except
     * those replayed or delivered since then.
     *
     * @returns how many were removed, and where to continue; null if the rest is newer
     */
    async removeBefore(
      before: Date,
      state: 'delivered' | 'dead',
      after: number,
      take: number,
    ): Promise<{ removed: number; next: number | null }> {
      const seen = await reader.delivery.findMany({
        where: { state, id: { gt: after } },
        orderBy: { id: 'asc' },
        take,
        select: { id: true, created: true, updated: true },
      });
      const last = seen.length < take || seen.every(({ created }) => created >= before);
      const ids = seen
        .filter(({ created, updated }) => created < before && updated < before)
        .map(({ id }) => id);
      let removed = 0;
      if (ids.length > 0) {
        // Somebody may be replaying one of them.
        const where = { id: { in: ids }, state };
        removed = (await writer.one((client) => client.delivery.deleteMany({ where }))).count;
      }
      return { removed, next: last ? null : (seen.at(-1)?.id ?? null) };
    },
  };
}
