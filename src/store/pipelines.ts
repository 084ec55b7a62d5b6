import type { ListQuery } from '../domain/query.js';
import type { Pipeline, User } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type PipelineRow = Pipeline & { owner: User };

const columns = { owner: 'owner.username' };
const include = { owner: true } as const;

/** Pipelines whose components run elsewhere. */
export function pipelineRepository(reader: PrismaClient, writer: Writer) {
  return {
    byId: (id: number): Promise<PipelineRow | null> => reader.pipeline.findUnique({ where: { id }, include }),
    byUuid: (uuid: string): Promise<PipelineRow | null> =>
      reader.pipeline.findUnique({ where: { uuid }, include }),

    /** A page of pipelines, and how many there are in all. `ownerId` null: everybody's. */
    list: (ownerId: number | null, query: ListQuery) =>
      pageOf<PipelineRow>(reader.pipeline, ownedBy(ownerId), query, columns, include),

    /** How many jobs there are of it. */
    jobsOf: (id: number): Promise<number> => reader.job.count({ where: { pipelineId: id } }),

    add: (row: Omit<Pipeline, 'id'>): Promise<PipelineRow> =>
      writer.one((client) => client.pipeline.create({ data: row, include })),

    change: (id: number, row: Partial<Pipeline>): Promise<PipelineRow> =>
      writer.one((client) => client.pipeline.update({ where: { id }, data: row, include })),

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.pipeline.deleteMany({ where: { id } })]);
    },
  };
}
