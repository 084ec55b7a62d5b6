import { existsSync } from 'node:fs';
import { CliError } from '../cli/client/failure.js';
import type { CliIo } from '../cli/terminal/io.js';
import { readNewPassword } from '../cli/terminal/prompt.js';
import { type Flags, loadConfig } from '../config/config.js';
import { keepToOurselves } from '../drivers/processes/umask.js';
import { messageOf } from '../lib/errors.js';
import { lockFolder } from '../store/folder/lock.js';
import { openStore } from '../store/store.js';
import { hashPassword } from '../usecases/users/hashing.js';

/**
 * `penstock reset-password NAME`: for when no admin can log in. It works on the database itself, so anyone who may
 * write to the data folder can use it, but only while no server is running.
 */
export async function resetPassword(username: string, flags: Flags, io: CliIo): Promise<void> {
  const { data, database } = loadConfig(flags);
  if (!existsSync(database))
    throw new CliError(`There is no database at ${database}. Use --data to say where it is.`);
  const password = await readNewPassword(io);
  if (password.length < 8) throw new CliError('The password is too short: it needs 8 characters or more.');
  let lock: ReturnType<typeof lockFolder>;
  try {
    lock = lockFolder(data);
  } catch (error) {
    throw new CliError(`${messageOf(error)}. Stop it first, or let an admin use \`penstock user password\`.`);
  }
  keepToOurselves();
  const store = await openStore(database);
  try {
    const user = await store.users.byName(username);
    if (user === null) throw new CliError(`There is no user '${username}'.`);
    await store.users.change(user.id, {
      passwordHash: await hashPassword(password),
      active: true,
      updated: new Date(),
    });
    io.stderr.write(`penstock: '${username}' has a new password and may log in\n`);
  } finally {
    await store.close();
    lock.release();
  }
}
