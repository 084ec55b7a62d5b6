import type { ListQuery } from '../domain/query.js';
import type { PrismaClient } from './client.js';
import type { DefinitionRevision, ProcessDefinition } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import { whereOf } from './where.js';
import type { Writer } from './writer.js';

export type DefinitionRow = ProcessDefinition & { owner: { username: string } };
export type { DefinitionRevision };

/** One write of several that are made together. */
export type DefinitionWrite =
  | { op: 'create'; row: Omit<ProcessDefinition, 'id'> & { id?: number } }
  | { op: 'update'; id: number; from: number; row: Partial<Omit<ProcessDefinition, 'id'>> }
  | { op: 'delete'; id: number };

const columns = { process_type: 'processType', owner: 'owner.username' };

/** Process definitions and their revisions. */
export function definitionRepository(reader: PrismaClient, writer: Writer) {
  /** Names of owners: users are never renamed, and one who owns something is never deleted. */
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

    /** The ids that a list's filters select. */
    async idsOf(ownerId: number | null, query: ListQuery): Promise<number[]> {
      const where = { ...ownedBy(ownerId), ...whereOf(query.filters, columns) };
      const rows = await reader.processDefinition.findMany({ where, select: { id: true } });
      return rows.map((row) => row.id);
    },

    /**
     * Makes all the writes or none. An update carries the revision that it was made from, and fails the whole
     * (with `false`) if that is no longer the current one.
     *
     * @returns the ids written, in the order of the writes; or false
     */
    async write(writes: readonly DefinitionWrite[]): Promise<number[] | false> {
      try {
        const results = await writer.batch((client) =>
          writes.map((write) => {
            if (write.op === 'create') return client.processDefinition.create({ data: write.row });
            if (write.op === 'delete') return client.processDefinition.delete({ where: { id: write.id } });
            return client.processDefinition.update({
              where: { id: write.id, revision: write.from },
              data: write.row,
            });
          }),
        );
        return (results as ProcessDefinition[]).map((row) => row.id);
      } catch (error) {
        // P2025: the row of an update or delete was not there any more; P2002: the id was taken meanwhile; P2003: an
        // operation runs it since a moment ago.
        const code = (error as { code?: unknown }).code;
        if (code === 'P2025' || code === 'P2002' || code === 'P2003') return false;
        throw error;
      }
    },

    /** One revision of a definition; the last of that number, since an id can be deleted and made anew. */
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
