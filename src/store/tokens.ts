import type { ListQuery } from '../domain/query.js';
import type { Token, User } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

export type TokenWithOwner = Token & { owner: User };

/** API tokens, as hashes. */
export function tokenRepository(reader: PrismaClient, writer: Writer) {
  const include = { owner: true } as const;
  return {
    byId: (id: number): Promise<TokenWithOwner | null> => reader.token.findUnique({ where: { id }, include }),
    byHash: (hash: string): Promise<TokenWithOwner | null> =>
      reader.token.findUnique({ where: { hash }, include }),

    list: (ownerId: number | null, query: ListQuery) =>
      pageOf<TokenWithOwner>(reader.token, ownedBy(ownerId), query, { owner: 'owner.username' }, include),

    add: (token: Omit<Token, 'id'>): Promise<TokenWithOwner> =>
      writer.one((client) => client.token.create({ data: token, include })),

    async remove(ids: readonly number[]): Promise<void> {
      await writer.batch((client) => [client.token.deleteMany({ where: { id: { in: [...ids] } } })]);
    },
  };
}
