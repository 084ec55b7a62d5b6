import { chmodSync, copyFileSync, existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { CliError } from '../cli/client/failure.js';
import { type Flags, loadConfig } from '../config/config.js';
import { keepToOurselves } from '../drivers/processes/umask.js';
import { streamsFile } from '../store/folder/job-files.js';
import { webhookKeyFile } from '../store/folder/key-file.js';
import { backup } from '../store/store.js';

/**
 * `penstock backup FILE`: a consistent copy of the database as of one moment, while the server goes on. The key that
 * webhooks are signed with goes beside it, as `FILE.webhook-key`, and what waits on durable streams as `FILE.streams`.
 */
export async function makeBackup(
  file: string,
  flags: Flags & { force?: boolean },
  stderr: NodeJS.WritableStream,
): Promise<void> {
  const { data, database } = loadConfig(flags);
  const target = path.resolve(file);
  if (!existsSync(database)) throw new CliError(`there is no database ${database}; --data says where it is`);
  if (existsSync(target) && !flags.force)
    throw new CliError(`${target} is there already; --force overwrites it`);
  // A copy of the database is as secret as the database.
  keepToOurselves();
  // Under another name until it is whole, so that a backup that was cut off is never taken for one.
  const partial = `${target}.partial`;
  const copy = async (from: string, to: string) => {
    rmSync(partial, { force: true });
    await backup(from, partial, () => {});
    renameSync(partial, to);
  };
  try {
    // First the database: a stream's message that is in both is worked on twice rather than never.
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
    `penstock: ${database} is copied to ${target}; the files of jobs are in ${path.join(data, 'jobs')}\n`,
  );
}
