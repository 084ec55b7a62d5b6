import path from 'node:path';
import Database from 'better-sqlite3';
import { PenstockError } from '../lib/errors.js';
import { applicationRepository } from './applications.js';
import { deliveryRepository } from './deliveries.js';
import { Reserve } from './folder/reserve.js';
import { hostKeyRepository } from './host-keys.js';
import { jobEventRepository } from './job-events.js';
import { jobRepository } from './jobs.js';
import { nonceRepository } from './nonces.js';
import { operationRepository } from './operations.js';
import { pipelineRepository } from './pipelines.js';
import { definitionRepository } from './process-definitions.js';
import { serverRepository } from './servers.js';
import { openReader } from './sqlite/client.js';
import { migrate } from './sqlite/migrate.js';
import { Writer } from './sqlite/writer.js';
import { stepJobRepository } from './step-jobs.js';
import { streamRepository } from './streams.js';
import { subscriptionRepository } from './subscriptions.js';
import { taskRepository } from './tasks.js';
import { tokenRepository } from './tokens.js';
import { userRepository } from './users.js';

/**
 * Opens and migrates the database: one repository per noun. Reads have their own connection, so that they never see
 * half of a write.
 *
 * @param file the database's path
 */
export async function openStore(file: string) {
  const migrations = await migrate(file);
  const reserve = new Reserve(path.dirname(file));
  const writer = new Writer(file, reserve);
  // The first connection may have to recover from a crash, for which it needs exclusive access.
  await writer.batch(() => []);
  const reader = openReader(file);
  const subscriptions = subscriptionRepository(reader, writer);
  await subscriptions.lookForAny();
  let checking: Promise<void> | null = null;
  return {
    migrations,
    jobs: jobRepository(reader, writer, subscriptions.adding),
    jobEvents: jobEventRepository(reader, writer),
    subscriptions,
    deliveries: deliveryRepository(reader, writer),
    definitions: definitionRepository(reader, writer),
    users: userRepository(reader, writer),
    tokens: tokenRepository(reader, writer),
    nonces: nonceRepository(reader, writer),
    pipelines: pipelineRepository(reader, writer),
    streams: streamRepository(reader, writer),
    stepJobs: stepJobRepository(reader, writer),
    operations: operationRepository(reader, writer),
    tasks: taskRepository(reader),
    applications: applicationRepository(reader, writer),
    servers: serverRepository(reader, writer),
    hostKeys: hostKeyRepository(reader, writer),

    reserve,

    /** Checks that the database can be written to. Throws the reason if not, after a moment at the latest. */
    async check(): Promise<void> {
      checking ??= this.keepSetting('checked', String(process.pid)).finally(() => {
        checking = null;
      });
      await inTime(checking);
    },

    /** A value of this installation, or null if it was never set. */
    async knownSetting(key: string): Promise<string | null> {
      return (await reader.setting.findUnique({ where: { key } }))?.value ?? null;
    },

    /** Stores a value of this installation, replacing an older one. */
    async keepSetting(key: string, value: string): Promise<void> {
      await writer.batch((client) => [
        client.setting.upsert({ where: { key }, create: { key, value }, update: { value } }),
      ]);
    },

    /** A value of this installation, made by `make` the first time. */
    async setting(key: string, make: () => string): Promise<string> {
      const known = await this.knownSetting(key);
      if (known !== null) return known;
      const value = make();
      await writer.batch((client) => [client.setting.create({ data: { key, value } })]);
      return value;
    },

    async close(): Promise<void> {
      await writer.close();
      await reader.$disconnect();
    },
  };
}

/** The longest that a health check waits, in milliseconds. */
const patience = 2000;

async function inTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new PenstockError('store-unavailable', slow)), patience);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

const slow = `The database has not taken a write for ${patience / 1000} s: another program has locked it, or its disk is slow.`;

export type Store = Awaited<ReturnType<typeof openStore>>;

/**
 * Copies a database, even one in use, to a new file: a consistent snapshot by SQLite's own online backup.
 *
 * @param progress called with pages done and pages in all
 */
export async function backup(
  from: string,
  to: string,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const database = new Database(from, { readonly: true, fileMustExist: true, timeout: 10_000 });
  try {
    await database.backup(to, {
      progress({ totalPages, remainingPages }) {
        progress(totalPages - remainingPages, totalPages);
        return 1000;
      },
    });
  } finally {
    database.close();
  }
}
