import type { ListQuery } from '../domain/query.js';
import type { OperationDocument } from '../lib/generated/operation.js';
import type { Operation } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type NewOperation = Omit<Operation, 'id'>;
type Stored = Operation & {
  owner: { username: string };
  definition: { processType: string; revision: number };
};
/** An operation with the names of its owner and its definition. */
export type OperationRow = Omit<Stored, 'document'> & { document: OperationDocument };

const rowOf = (row: Stored): OperationRow => ({ ...row, document: JSON.parse(row.document) });

const include = {
  owner: { select: { username: true } },
  definition: { select: { processType: true, revision: true } },
} as const;

const columns = {
  owner: 'owner.username',
  process_definition: 'processDefinitionId',
  process_type: 'definition.processType',
  input_stream: 'inputStream',
  output_stream: 'outputStream',
};

/** Operations, which connect streams to definitions. */
export function operationRepository(reader: PrismaClient, writer: Writer) {
  return {
    async byId(id: number): Promise<OperationRow | null> {
      const row = await reader.operation.findUnique({ where: { id }, include });
      return row && rowOf(row);
    },

    named: (ownerId: number, name: string): Promise<{ id: number } | null> =>
      reader.operation.findUnique({ where: { ownerId_name: { ownerId, name } }, select: { id: true } }),

    /** A page of operations, and how many there are in all. `ownerId` null: everybody's. */
    list: (ownerId: number | null, query: ListQuery) =>
      pageOf(reader.operation, ownedBy(ownerId), query, columns, include, rowOf),

    /** Every one, oldest first. */
    all: async (): Promise<OperationRow[]> =>
      (await reader.operation.findMany({ include, orderBy: { id: 'asc' } })).map(rowOf),

    /** The names of a few operations that run a definition. */
    async ofDefinition(processDefinitionId: number): Promise<string[]> {
      const rows = await reader.operation.findMany({
        where: { processDefinitionId },
        orderBy: { id: 'asc' },
        take: 10,
        select: { name: true },
      });
      return rows.map(({ name }) => name);
    },

    /** The ids of the operations that read a stream. */
    async readersOf(inputStream: string): Promise<number[]> {
      const rows = await reader.operation.findMany({ where: { inputStream }, select: { id: true } });
      return rows.map(({ id }) => id);
    },

    /** The names of a few operations that read a stream or publish on it. */
    async ofStream(name: string): Promise<string[]> {
      const rows = await reader.operation.findMany({
        where: {
          OR: [
            { inputStream: name },
            { outputStream: name },
            { document: { contains: `"dead_letters":${JSON.stringify(name)}` } },
          ],
        },
        orderBy: { id: 'asc' },
        take: 10,
        select: { name: true },
      });
      return rows.map((row) => row.name);
    },

    count: (ownerId: number): Promise<number> => reader.operation.count({ where: { ownerId } }),

    add: async (row: NewOperation): Promise<OperationRow> =>
      rowOf(await writer.one((client) => client.operation.create({ data: row, include }))),

    change: async (id: number, row: Partial<NewOperation>): Promise<OperationRow> =>
      rowOf(await writer.one((client) => client.operation.update({ where: { id }, data: row, include }))),

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.operation.deleteMany({ where: { id } })]);
    },
  };
}
