import type { StoredNonce } from './companions.js';
import type { Nonce, User } from './generated/client.js';
import { ownedBy } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type NonceRow = Nonce & { owner: User };

const include = { owner: true } as const;

/** Nonces, as hashes. */
export function nonceRepository(reader: PrismaClient, writer: Writer) {
  return {
    byHash: (hash: string): Promise<NonceRow | null> => reader.nonce.findUnique({ where: { hash }, include }),
    byName: (name: string): Promise<NonceRow | null> => reader.nonce.findUnique({ where: { name }, include }),

    /** An actor's nonces, oldest first, except those of single jobs' callbacks. `ownerId` null: everybody's. */
    list: (actor: string, ownerId: number | null): Promise<NonceRow[]> =>
      reader.nonce.findMany({
        where: { actor, jobId: null, ...ownedBy(ownerId) },
        include,
        orderBy: { id: 'asc' },
      }),

    add: (row: Omit<Nonce, 'id' | 'currentUses' | 'lastUse'>): Promise<NonceRow> =>
      writer.one((client) => client.nonce.create({ data: row, include })),

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.nonce.deleteMany({ where: { id } })]);
    },

    /** Replaces the nonce of a job's callback and the token for its events; the old ones become invalid. */
    async replaceOfJob(
      job: { id: number; ownerId: number; tokenHash: string },
      nonce: StoredNonce | null,
      created: Date,
    ): Promise<void> {
      const { id: jobId, ownerId } = job;
      await writer.batch((client) => [
        client.job.update({ where: { id: jobId }, data: { tokenHash: job.tokenHash } }),
        client.nonce.deleteMany({ where: { jobId } }),
        ...(nonce === null ? [] : [nonce]).map(({ actor, name, hash, description }) =>
          client.nonce.create({
            data: { actor, name, hash, description, ownerId, jobId, level: 'EXECUTE', maxUses: -1, created },
          }),
        ),
      ]);
    },

    /**
     * Takes up to `wanted` of the remaining uses of a nonce in one transaction.
     *
     * @returns how many were taken
     */
    async take(id: number, wanted: number, date: Date): Promise<number> {
      const [before] = await writer.batch((client) => [
        client.nonce.findUnique({ where: { id } }),
        client.$executeRaw`UPDATE "nonce" SET "last_use" = ${date},
          "current_uses" = MIN("max_uses", "current_uses" + ${wanted}) WHERE "id" = ${id}`,
      ]);
      const nonce = before as Nonce | null;
      return nonce === null ? 0 : Math.min(wanted, nonce.maxUses - nonce.currentUses);
    },

    /** Counts uses of unlimited nonces, all at once. */
    async count(uses: readonly (readonly [id: number, uses: number])[], date: Date): Promise<void> {
      await writer.batch((client) => [
        client.$executeRaw`UPDATE "nonce" SET "last_use" = ${date}, "current_uses" = "current_uses" + t."uses"
          FROM (SELECT value ->> 0 AS "id", value ->> 1 AS "uses" FROM json_each(${JSON.stringify(uses)})) AS t
          WHERE "nonce"."id" = t."id"`,
      ]);
    },
  };
}
