import Database from 'better-sqlite3';
import { applicationRepository } from './applications.js';
import { openClient } from './client.js';
import { deliveryRepository } from './deliveries.js';
import { hostKeyRepository } from './host-keys.js';
import { jobEventRepository } from './job-events.js';
import { jobRepository } from './jobs.js';
import { migrate } from './migrate.js';
import { nonceRepository } from './nonces.js';
import { operationRepository } from './operations.js';
import { pipelineRepository } from './pipelines.js';
import { definitionRepository } from './process-definitions.js';
import { serverRepository } from './servers.js';
import { stepJobRepository } from './step-jobs.js';
import { streamRepository } from './streams.js';
import { subscriptionRepository } from './subscriptions.js';
import { taskRepository } from './tasks.js';
import { tokenRepository } from './tokens.js';
import { userRepository } from './users.js';
import { Writer } from './writer.js';

/**
 * Opens the database, brought up to date: one repository per noun. Reads have a connection of their own, so that
 * they never see half of a write.
 *
 * @param file the database's path
 */
export async function openStore(file: string) {
  const migrations = await migrate(file);
  const reader = openClient(file);
  const writing = openClient(file);
  const writer = new Writer(writing, file);
  const subscriptions = subscriptionRepository(reader, writer);
  await subscriptions.lookForAny();
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

    /** Proves that the database can be written to. */
    async check(): Promise<void> {
      await this.keepSetting('checked', String(process.pid));
    },

    /** A value of this installation, or null if it was never made. */
    async knownSetting(key: string): Promise<string | null> {
      return (await reader.setting.findUnique({ where: { key } }))?.value ?? null;
    },

    /** Keeps a value of this installation, in place of an older one. */
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
      await Promise.all([reader.$disconnect(), writing.$disconnect()]);
    },
  };
}

export type Store = Awaited<ReturnType<typeof openStore>>;

/**
 * Copies a database, also one in use, to a new file: a consistent copy as of one moment, made by SQLite's own
 * online backup.
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
