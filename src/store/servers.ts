import type { ListQuery } from '../domain/query.js';
import { type Reach, type ServerOrder, type ServerState, serverChanges } from '../domain/servers/server.js';
import type { Server, ServerUse } from './generated/client.js';
import type { PrismaClient } from './sqlite/client.js';

export type { ServerUse };

import { pageOf } from './page.js';
import type { Writer } from './sqlite/writer.js';

export type ServerRow = Omit<Server, 'state' | 'order' | 'reach'> & {
  state: ServerState;
  order: ServerOrder;
  reach: Reach | null;
};
export type NewServer = Pick<
  ServerRow,
  'name' | 'application' | 'revision' | 'connector' | 'order' | 'created'
>;
/** The columns of a server that may be changed besides its state. */
export type ServerChange = Partial<
  Pick<ServerRow, 'cloudId' | 'reach' | 'uses' | 'reason' | 'missing' | 'booted' | 'idleSince' | 'deleted'>
>;
/** A use with the job that it was for. */
export type ServerUseRow = ServerUse & { job: { uuid: string; ownerId: number } };

const rowOf = (row: Server) =>
  ({ ...row, order: JSON.parse(row.order), reach: JSON.parse(row.reach ?? 'null') }) as ServerRow;
const stored = ({ reach, ...change }: ServerChange) =>
  reach === undefined ? change : { ...change, reach: reach && JSON.stringify(reach) };

const columns = {
  application: 'application',
  connector: 'connector',
  cloud_id: 'cloudId',
  idle_since: 'idleSince',
};

/** The ledger of servers, and which jobs used them. */
export function serverRepository(reader: PrismaClient, writer: Writer) {
  return {
    async byId(id: number): Promise<ServerRow | null> {
      const row = await reader.server.findUnique({ where: { id } });
      return row && rowOf(row);
    },

    /** A page of servers, and how many there are in all. */
    list: (query: ListQuery) => pageOf(reader.server, {}, query, columns, undefined, rowOf),

    /** All servers of which the cloud may still have something, oldest first. */
    async held(): Promise<ServerRow[]> {
      const where = { state: { not: 'deleted' } };
      return (await reader.server.findMany({ where, orderBy: { id: 'asc' } })).map(rowOf);
    },

    /** Our servers with these names, in whatever state. */
    named: async (names: readonly string[]): Promise<ServerRow[]> =>
      (await reader.server.findMany({ where: { name: { in: [...names] } } })).map(rowOf),

    /** Records that a server is wanted, before the cloud is asked for it. */
    async add(row: NewServer): Promise<ServerRow> {
      const data = { ...row, order: JSON.stringify(row.order), state: 'requested', updated: row.created };
      return rowOf(await writer.one((client) => client.server.create({ data })));
    },

    /** Stores what was learned about a server without changing its state. */
    async note(id: number, change: ServerChange, updated: Date): Promise<void> {
      const data = { ...stored(change), updated };
      await writer.one((client) => client.server.update({ where: { id }, data }));
    },

    /**
     * Changes a server's state, if the new state may follow its current one.
     *
     * @returns the new row; null if it was in another state and nothing was changed
     */
    async change(
      id: number,
      state: ServerState,
      change: ServerChange,
      updated: Date,
    ): Promise<ServerRow | null> {
      const from = (Object.keys(serverChanges) as ServerState[]).filter((one) =>
        serverChanges[one].includes(state),
      );
      const [{ count }, row] = (await writer.batch((client) => [
        client.server.updateMany({
          where: { id, state: { in: from } },
          data: { ...stored(change), state, updated },
        }),
        client.server.findUnique({ where: { id } }),
      ])) as [{ count: number }, Server | null];
      return count === 0 ? null : row && rowOf(row);
    },

    /** The uses of a server, oldest first. */
    usesOf: (serverId: number): Promise<ServerUseRow[]> =>
      reader.serverUse.findMany({
        where: { serverId },
        include: { job: { select: { uuid: true, ownerId: true } } },
        orderBy: { id: 'asc' },
      }),

    /** The uses of a job's attempts, oldest first, each with its server. */
    usesFor: (jobId: number) =>
      reader.serverUse.findMany({ where: { jobId }, include: { server: true }, orderBy: { id: 'asc' } }),

    /** The open uses, each with its server's name and its job's progress. */
    openUses: () =>
      reader.serverUse.findMany({
        where: { ended: null },
        include: {
          job: { select: { uuid: true, ownerId: true, attempt: true } },
          server: { select: { name: true } },
        },
        orderBy: { id: 'asc' },
      }),

    /**
     * Gives an idle server to an attempt of a job: the server's change and its use are stored together or not at all.
     *
     * @returns the new row; null if the server is no longer idle
     */
    async assign(id: number, jobId: number, attempt: number, now: Date): Promise<ServerRow | null> {
      const change = { state: 'busy', uses: { increment: 1 }, idleSince: null, updated: now };
      const use = { serverId: id, started: now };
      try {
        const [row] = await writer.batch((client) => [
          client.server.update({ where: { id, state: 'idle' }, data: change }),
          client.serverUse.upsert({
            where: { jobId_attempt: { jobId, attempt } },
            create: { jobId, attempt, ...use },
            update: { ...use, ended: null },
          }),
        ]);
        return rowOf(row as Server);
      } catch (error) {
        if ((error as { code?: string }).code === 'P2025') return null;
        throw error;
      }
    },

    /**
     * Takes a server back from an attempt that never started there: it does not count as a use.
     *
     * @returns the new row; null if it was not busy and only the use was deleted
     */
    async unassign(id: number, jobId: number, attempt: number, now: Date): Promise<ServerRow | null> {
      const change = { state: 'idle', uses: { decrement: 1 }, idleSince: now, updated: now };
      const [, { count }, row] = (await writer.batch((client) => [
        client.serverUse.deleteMany({ where: { serverId: id, jobId, attempt } }),
        client.server.updateMany({ where: { id, state: 'busy' }, data: change }),
        client.server.findUnique({ where: { id } }),
      ])) as [unknown, { count: number }, Server | null];
      return count === 0 ? null : row && rowOf(row);
    },

    async endUse(jobId: number, attempt: number, ended: Date): Promise<void> {
      await writer.batch((client) => [
        client.serverUse.updateMany({ where: { jobId, attempt, ended: null }, data: { ended } }),
      ]);
    },

    /** Deletes the rows of servers that were deleted before a date, a few at a time; returns how many. */
    async forget(before: Date, most: number): Promise<number> {
      const rows = await reader.server.findMany({
        where: { state: 'deleted', deleted: { lt: before } },
        select: { id: true },
        take: most,
      });
      if (rows.length === 0) return 0;
      const ids = rows.map(({ id }) => id);
      await writer.batch((client) => [client.server.deleteMany({ where: { id: { in: ids } } })]);
      return rows.length;
    },

    /** How many servers there are in each state except `deleted`. */
    async counts(): Promise<Record<string, number>> {
      const groups = await reader.server.groupBy({
        by: ['state'],
        where: { state: { not: 'deleted' } },
        _count: true,
      });
      return Object.fromEntries(groups.map(({ state, _count }) => [state, _count]));
    },
  };
}
