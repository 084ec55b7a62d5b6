import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CliError } from '../cli/client/failure.js';
import { type Flags, loadConfig } from '../config/config.js';
import { keepToOurselves } from '../drivers/processes/umask.js';
import { streamsFile } from '../store/folder/job-files.js';
import { webhookKeyFile } from '../store/folder/key-file.js';
import { backup } from '../store/store.js';

/**
 * `penstock backup FILE`: a consistent copy of the database while the server runs. The signing key of webhooks goes
 * beside it as `FILE.webhook-key`, and the messages of durable streams as `FILE.streams`.
 */
export async function makeBackup(
  file: string,
  flags: Flags & { force?: boolean },
  stderr: NodeJS.WritableStream,
): Promise<void> {
  const { data, database } = loadConfig(flags);
  const target = path.resolve(file);
  if (!existsSync(database))
    throw new CliError(`There is no database at ${database}. Use --data to say where it is.`);
  if (existsSync(target) && !flags.force)
    throw new CliError(`${target} already exists. Use --force to overwrite it.`);
  // A copy of the database is as secret as the database.
  keepToOurselves();
  // Under another name until it is complete, so that nobody mistakes an interrupted backup for a good one.
  const partial = `${target}.partial`;
  const copy = async (from: string, to: string) => {
    rmSync(partial, { force: true });
    await backup(from, partial, () => {});
    renameSync(partial, to);
  };
  try {
    // The database first, so that a message in between is processed twice rather than never.
    await copy(database, target);
    const streams = streamsFile(data);
    if (existsSync(streams)) await copy(streams, `${target}.streams`);
    const key = webhookKeyFile(data);
    if (existsSync(key)) {
      copyFileSync(key, partial);
      chmodSync(partial, 0o600);
      renameSync(partial, `${target}.webhook-key`);
    }
  } finally {
    rmSync(partial, { force: true });
  }
  stderr.write(
    `penstock: copied ${database} to ${target}; the files of jobs, in ${path.join(data, 'jobs')}, are not part of it\n`,
  );
}
