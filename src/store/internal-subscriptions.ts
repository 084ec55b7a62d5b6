import type { PrismaClient } from './client.js';
import type { Subscription } from './generated/client.js';
import type { Writer } from './writer.js';

/** Subscriptions of the installation itself: to everybody's jobs, and nobody's own. */
export function internalSubscriptionRepository(reader: PrismaClient, writer: Writer) {
  return {
    list: (): Promise<Subscription[]> =>
      reader.subscription.findMany({
        where: { ownerId: null, jobId: null, pipelineId: null, everyones: true },
        orderBy: { id: 'asc' },
      }),

    async add(url: string, format: string, now: Date): Promise<void> {
      const data = { everyones: true, url, format, created: now, updated: now };
      await writer.batch((client) => [client.subscription.create({ data })]);
    },

    /** Switches them on or off: for one that is off nothing is put into the outbox. */
    async switch(ids: readonly number[], active: boolean, now: Date): Promise<void> {
      const where = { id: { in: [...ids] } };
      await writer.batch((client) => [
        client.subscription.updateMany({ where, data: { active, updated: now } }),
      ]);
    },
  };
}
