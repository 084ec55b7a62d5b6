import type { ListQuery } from '../domain/query.js';
import type { User } from './generated/client.js';
import { pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type { User };
export type NewUser = Omit<User, 'id'>;

/** People and programs that may log in. */
export function userRepository(reader: PrismaClient, writer: Writer) {
  return {
    byId: (id: number): Promise<User | null> => reader.user.findUnique({ where: { id } }),
    byName: (username: string): Promise<User | null> => reader.user.findUnique({ where: { username } }),
    count: (): Promise<number> => reader.user.count(),
    admins: (): Promise<number> => reader.user.count({ where: { role: 'admin', active: true } }),

    list: (id: number | null, query: ListQuery) =>
      pageOf<User>(reader.user, id === null ? {} : { id }, query, {}),

    add: (user: NewUser & { id?: number }): Promise<User> =>
      writer.one((client) => client.user.create({ data: user })),

    change: (id: number, data: Partial<NewUser>): Promise<User> =>
      writer.one((client) => client.user.update({ where: { id }, data })),

    /** Removes a user who owns nothing but tokens, nonces and subscriptions. */
    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.user.delete({ where: { id } })]);
    },

    /** How much a user owns: a user who owns anything cannot be deleted, only made inactive. */
    async owned(id: number): Promise<{
      definitions: number;
      jobs: number;
      pipelines: number;
      streams: number;
      operations: number;
      applications: number;
    }> {
      const [definitions, jobs, pipelines, streams, operations, applications] = await Promise.all([
        reader.processDefinition.count({ where: { ownerId: id } }),
        reader.job.count({ where: { ownerId: id } }),
        reader.pipeline.count({ where: { ownerId: id } }),
        reader.stream.count({ where: { ownerId: id } }),
        reader.operation.count({ where: { ownerId: id } }),
        reader.application.count({ where: { ownerId: id } }),
      ]);
      return { definitions, jobs, pipelines, streams, operations, applications };
    },
  };
}
