import type { ListQuery } from '../domain/query.js';
import type { Stream } from './generated/client.js';
import { ownedBy, pageOf } from './page.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

type NewStream = Omit<Stream, 'id'>;
/** A stream with its owner's name. */
export type StreamRow = Stream & { owner: { username: string } };

const include = { owner: { select: { username: true } } } as const;
const columns = { owner: 'owner.username', max_messages: 'maxMessages' };

/** Streams: their names, owners and settings. Their messages are elsewhere. */
export function streamRepository(reader: PrismaClient, writer: Writer) {
  return {
    all: (): Promise<StreamRow[]> => reader.stream.findMany({ include }),

    /** A page of streams, and how many there are in all. `ownerId` null: everybody's. */
    list: (ownerId: number | null, query: ListQuery) =>
      pageOf<StreamRow>(reader.stream, ownedBy(ownerId), query, columns, include),

    add: (row: NewStream): Promise<StreamRow> =>
      writer.one((client) => client.stream.create({ data: row, include })),

    change: (id: number, row: Partial<NewStream>): Promise<StreamRow> =>
      writer.one((client) => client.stream.update({ where: { id }, data: row, include })),

    async remove(id: number): Promise<void> {
      await writer.batch((client) => [client.stream.deleteMany({ where: { id } })]);
    },
  };
}
