import { unfinishedStates } from '../domain/jobs/job-state.js';
import type { ListQuery } from '../domain/query.js';
import type { Application } from './generated/client.js';
import { pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type ApplicationRow = Application & { owner: { username: string } };
type NewApplication = Omit<Application, 'id'>;

const include = { owner: { select: { username: true } } } as const;
const columns = { owner: 'owner.username' };

/** Applications: what definitions need of a server. */
export function applicationRepository(reader: PrismaClient, writer: Writer) {
  return {
    byId: (id: number): Promise<ApplicationRow | null> =>
      reader.application.findUnique({ where: { id }, include }),

    list: (query: ListQuery) => pageOf<ApplicationRow>(reader.application, {}, query, columns, include),

    all: (): Promise<ApplicationRow[]> => reader.application.findMany({ include, orderBy: { id: 'asc' } }),

    /** How many jobs that have not ended are for servers of an application: as they ask for it, or their definition. */
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

    async add(row: NewApplication): Promise<ApplicationRow> {
      const [added] = await writer.batch((client) => [client.application.create({ data: row, include })]);
      return added as ApplicationRow;
    },

    async change(id: number, row: Partial<NewApplication>): Promise<ApplicationRow> {
      const [changed] = await writer.batch((client) => [
        client.application.update({ where: { id }, data: row, include }),
      ]);
      return changed as ApplicationRow;
    },

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.application.deleteMany({ where: { id } })]);
    },
  };
}
