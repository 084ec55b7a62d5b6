import type { ListQuery } from '../domain/query.js';
import { messageOf } from '../lib/errors.js';
import type { DefinitionRevision, ProcessDefinition } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import {
  deleteDefinitionsSql,
  insertDefinitionsSql,
  mustHaveChangedSql,
  updateDefinitionsSql,
} from './sqlite/definition-sql.js';
import { storedDate } from './sqlite/job-sql.js';
import type { Writer } from './sqlite/writer.js';
import { whereOf } from './where.js';

export type DefinitionRow = ProcessDefinition & { owner: { username: string } };

/** One write of several that are made together. */
export type DefinitionWrite =
  | { op: 'create'; row: Omit<ProcessDefinition, 'id'> & { id?: number } }
  | { op: 'update'; id: number; from: number; row: Partial<Omit<ProcessDefinition, 'id'>> }
  | { op: 'delete'; id: number };

const columns = { process_type: 'processType', owner: 'owner.username' };

/** A row for the SQL, with dates in Prisma's format. */
const stored = (row: Partial<ProcessDefinition>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, value instanceof Date ? storedDate(value) : value]),
  );

/** A statement for a list, unless it is empty, that must change one row for each entry. */
const changing = (client: PrismaClient, sql: string, list: readonly unknown[]) =>
  list.length === 0
    ? []
    : [
        client.$executeRawUnsafe(sql, JSON.stringify(list)),
        client.$queryRawUnsafe(mustHaveChangedSql, list.length),
      ];

/** The id of each write; generated ids increase in the order of the rows. */
function idsOfWrites(writes: readonly DefinitionWrite[], inserted: readonly number[]): number[] {
  const chosen = new Set(writes.map((write) => (write.op === 'create' ? write.row.id : write.id)));
  const made = inserted.filter((id) => !chosen.has(id)).sort((a, b) => a - b);
  return writes.map((write) => (write.op === 'create' ? (write.row.id ?? made.shift() ?? 0) : write.id));
}

/**
 * Whether a write failed because somebody else was faster: a row was changed or deleted (the check of `changes()`), an
 * id was taken, or an operation has just begun to run the definition.
 */
const isOvertaken = (error: unknown): boolean =>
  /malformed JSON|UNIQUE constraint failed|FOREIGN KEY constraint failed|P2002|P2003/.test(
    `${(error as { code?: unknown }).code} ${messageOf(error)}`,
  );

/** Process definitions and their revisions. */
export function definitionRepository(reader: PrismaClient, writer: Writer) {
  /** Names of owners: users are never renamed, and not deleted while they own anything. */
  const owners = new Map<number, string>();

  /** Rows with their owners' names, without joining the same few users to every page. */
  async function withOwners(rows: readonly ProcessDefinition[]): Promise<DefinitionRow[]> {
    const missing = new Set(rows.map((row) => row.ownerId).filter((id) => !owners.has(id)));
    if (missing.size > 0) {
      const users = await reader.user.findMany({ where: { id: { in: [...missing] } } });
      for (const user of users) owners.set(user.id, user.username);
    }
    return rows.map((row) => ({ ...row, owner: { username: owners.get(row.ownerId) ?? '' } }));
  }

  return {
    async byId(id: number): Promise<DefinitionRow | null> {
      const row = await reader.processDefinition.findUnique({ where: { id } });
      return row === null ? null : ((await withOwners([row]))[0] ?? null);
    },

    byIds: async (ids: readonly number[]): Promise<DefinitionRow[]> =>
      withOwners(await reader.processDefinition.findMany({ where: { id: { in: [...ids] } } })),

    async list(
      ownerId: number | null,
      query: ListQuery,
    ): Promise<{ total: number; objects: DefinitionRow[] }> {
      const { total, objects } = await pageOf<ProcessDefinition>(
        reader.processDefinition,
        ownedBy(ownerId),
        query,
        columns,
      );
      return { total, objects: await withOwners(objects) };
    },

    /** The ids of the definitions of that name, oldest first, at most two: one owner's, or those of all admins. */
    async named(name: string, owner: number | 'admins'): Promise<number[]> {
      const of = owner === 'admins' ? { owner: { role: 'admin', active: true } } : { ownerId: owner };
      const rows = await reader.processDefinition.findMany({
        where: { name, ...of },
        orderBy: { id: 'asc' },
        take: 2,
        select: { id: true },
      });
      return rows.map((row) => row.id);
    },

    /** The ids above `after` that a list's filters select, lowest first, at most `most`. */
    async idsOf(ownerId: number | null, query: ListQuery, most: number, after = 0): Promise<number[]> {
      const where = { ...ownedBy(ownerId), ...whereOf(query.filters, columns) };
      const rows = await reader.processDefinition.findMany({
        where: { AND: [where, { id: { gt: after } }] },
        orderBy: { id: 'asc' },
        take: most,
        select: { id: true },
      });
      return rows.map((row) => row.id);
    },

    /** The first definition selected by a list's filters that an operation runs; null if there is none. */
    async firstUsed(ownerId: number | null, query: ListQuery): Promise<number | null> {
      const where = { ...ownedBy(ownerId), ...whereOf(query.filters, columns) };
      const row = await reader.processDefinition.findFirst({
        where: { AND: [where, { operations: { some: {} } }] },
        orderBy: { id: 'asc' },
        select: { id: true },
      });
      return row?.id ?? null;
    },

    /**
     * Makes all the writes or none, deletions first. An update carries the revision that it was made from, and fails the
     * whole (with `false`) if that is no longer the current one; so does an update or a deletion of what is gone.
     *
     * @returns the ids written, in the order of the writes; or false
     */
    async write(writes: readonly DefinitionWrite[]): Promise<number[] | false> {
      const creates = writes.flatMap((write) => (write.op === 'create' ? [stored(write.row)] : []));
      const updates = writes.flatMap((write) =>
        write.op === 'update' ? [{ ...stored(write.row), id: write.id, from: write.from }] : [],
      );
      const deletes = writes.flatMap((write) => (write.op === 'delete' ? [write.id] : []));
      try {
        const results = await writer.batch((client) => [
          ...changing(client, deleteDefinitionsSql, deletes),
          ...changing(client, updateDefinitionsSql, updates),
          ...(creates.length === 0
            ? []
            : [client.$queryRawUnsafe(insertDefinitionsSql, JSON.stringify(creates))]),
        ]);
        const inserted = creates.length === 0 ? [] : (results.at(-1) as { id: number | bigint }[]);
        return idsOfWrites(
          writes,
          inserted.map(({ id }) => Number(id)),
        );
      } catch (error) {
        if (isOvertaken(error)) return false;
        throw error;
      }
    },

    /** One revision of a definition; the latest of that number, since an id can be deleted and created again. */
    revision: (processDefinitionId: number, revision: number): Promise<DefinitionRevision | null> =>
      reader.definitionRevision.findFirst({
        where: { processDefinitionId, revision },
        orderBy: { id: 'desc' },
      }),

    revisionById: (id: number): Promise<DefinitionRevision | null> =>
      reader.definitionRevision.findUnique({ where: { id } }),

    revisions: (processDefinitionId: number, since: Date): Promise<DefinitionRevision[]> =>
      reader.definitionRevision.findMany({
        where: { processDefinitionId, created: { gte: since } },
        orderBy: { id: 'asc' },
      }),
  };
}
