import { unfinishedStates } from '../domain/jobs/job-state.js';
import type { ListQuery } from '../domain/query.js';
import type { ApplicationDocument } from '../lib/generated/application.js';
import type { Application } from './generated/client.js';
import { pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

type Stored = Application & { owner: { username: string } };
export type ApplicationRow = Omit<Stored, 'document'> & { document: ApplicationDocument };
type NewApplication = Omit<Application, 'id'>;

const rowOf = (row: Stored): ApplicationRow => ({ ...row, document: JSON.parse(row.document) });

const include = { owner: { select: { username: true } } } as const;
const columns = { owner: 'owner.username' };

/** Applications: what definitions need of a server. */
export function applicationRepository(reader: PrismaClient, writer: Writer) {
  return {
    list: (query: ListQuery) => pageOf(reader.application, {}, query, columns, include, rowOf),

    all: async (): Promise<ApplicationRow[]> =>
      (await reader.application.findMany({ include, orderBy: { id: 'asc' } })).map(rowOf),

    /** How many unfinished jobs are for servers of an application, named in the job's request or its definition. */
    unfinishedJobs(name: string): Promise<number> {
      const [any, own] = ['"application":', `"application":${JSON.stringify(name)}`];
      return reader.job.count({
        where: {
          state: { in: [...unfinishedStates] },
          executor: 'cloud',
          OR: [
            { request: { contains: own } },
            { NOT: { request: { contains: any } }, revised: { definition: { contains: own } } },
          ],
        },
      });
    },

    add: async (row: NewApplication): Promise<ApplicationRow> =>
      rowOf(await writer.one((client) => client.application.create({ data: row, include }))),

    change: async (id: number, row: Partial<NewApplication>): Promise<ApplicationRow> =>
      rowOf(await writer.one((client) => client.application.update({ where: { id }, data: row, include }))),

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.application.deleteMany({ where: { id } })]);
    },
  };
}
