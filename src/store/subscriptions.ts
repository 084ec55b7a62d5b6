import type { ListQuery } from '../domain/query.js';
import type { Subscription } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type { Subscription };
export type NewSubscription = Omit<Subscription, 'id'>;
const include = {
  owner: { select: { username: true } },
  job: { select: { uuid: true } },
} as const;
/** A subscription with the names of what it belongs to. */
export type ShownSubscription = Subscription & {
  owner: { username: string } | null;
  job: { uuid: string } | null;
};

const columns = { owner: 'owner.username', job: 'job.uuid', pipeline: 'pipelineId' };

/** Subscriptions to events. */
export function subscriptionRepository(reader: PrismaClient, writer: Writer) {
  /** Kept here so that an event costs nothing without subscriptions: false only if there certainly are none. */
  let any = true;
  let additions = 0;
  const noteAddition = () => {
    any = true;
    additions += 1;
  };
  /** Sets the flag before and after adding, since a check in between may have missed the new row. */
  async function adding<T>(work: Promise<T>): Promise<T> {
    noteAddition();
    try {
      return await work;
    } finally {
      noteAddition();
    }
  }

  return {
    /** False if there is certainly no active subscription. */
    mayBeAny: (): boolean => any,
    adding,

    /** Checks whether there is any active subscription. */
    async lookForAny(): Promise<void> {
      const before = additions;
      const found = (await reader.subscription.findFirst({ where: { active: true } })) !== null;
      if (additions === before) any = found;
    },

    byId: (id: number): Promise<ShownSubscription | null> =>
      reader.subscription.findUnique({ where: { id }, include }),

    /** The installation's own subscriptions, without an owner. */
    unowned: (): Promise<Subscription[]> => reader.subscription.findMany({ where: { ownerId: null } }),

    /** A job's own subscriptions, oldest first. */
    ofJob: (jobId: number): Promise<ShownSubscription[]> =>
      reader.subscription.findMany({ where: { jobId }, include, orderBy: { id: 'asc' } }),

    /** How many a user has for one job, or (null) for no particular job. */
    count: (ownerId: number, jobId: number | null): Promise<number> =>
      reader.subscription.count({ where: { ownerId, jobId } }),

    list: (ownerId: number | null, query: ListQuery) =>
      pageOf<ShownSubscription>(reader.subscription, ownedBy(ownerId), query, columns, include),

    add: (data: NewSubscription): Promise<ShownSubscription> =>
      adding(writer.one((client) => client.subscription.create({ data, include }))),

    change: (id: number, data: Partial<NewSubscription>): Promise<ShownSubscription> =>
      adding(writer.one((client) => client.subscription.update({ where: { id }, data, include }))),

    /** Removes subscriptions with their deliveries. */
    async remove(ids: readonly number[]): Promise<void> {
      await writer.batch((client) => [client.subscription.deleteMany({ where: { id: { in: [...ids] } } })]);
    },
  };
}
