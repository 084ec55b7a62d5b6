import type { HostKey } from './generated/client.js';
import type { PrismaClient } from './sqlite/client.js';
import type { Writer } from './sqlite/writer.js';

/** A machine's host key: `host` is its address and port, `fingerprint` the key as `known_hosts` has it. */
export type HostKeyRow = HostKey;

/** The pinned host keys of machines. */
export function hostKeyRepository(reader: PrismaClient, writer: Writer) {
  return {
    all: (): Promise<HostKeyRow[]> => reader.hostKey.findMany({ orderBy: { host: 'asc' } }),

    /** Stores a machine's key; an existing one stays. */
    async add(row: HostKeyRow): Promise<void> {
      const { host } = row;
      await writer.one((client) => client.hostKey.upsert({ where: { host }, create: row, update: {} }));
    },

    /** Forgets a machine's key. */
    async remove(host: string): Promise<void> {
      await writer.batch((client) => [client.hostKey.deleteMany({ where: { host } })]);
    },
  };
}
