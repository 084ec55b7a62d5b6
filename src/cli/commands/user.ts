import type { Command } from 'commander';
import { connect, noun, serverCommand } from '../client/connect.js';
import { kinds } from '../client/find.js';
import { type CliIo, printJson, tell } from '../terminal/io.js';
import { readNewPassword } from '../terminal/prompt.js';
import { type Options, verbsOf } from './verbs.js';

/** `penstock user …`: who may log in. Only an admin may do most of this; the server checks that. */
export function registerUser(program: Command, io: CliIo): void {
  const user = noun(program, 'user', 'people and programs that may log in');
  const verbs = verbsOf(user, io, kinds.user);

  serverCommand(user, 'add', 'add a user; the password is read from standard input')
    .argument('<name>')
    .option('--admin', 'may see and do everything')
    .action(async (name: string, options: Options & { admin?: boolean }, command: Command) => {
      const client = await connect(command, io);
      const password = await readNewPassword(io);
      const role = options.admin === true ? 'admin' : 'user';
      const made = await client.create(kinds.user.path, { username: name, password, role });
      if (options.json === true) printJson(io, made);
      else tell(io, `Added ${role === 'admin' ? 'the admin' : 'the user'} ${name}.`);
    });

  verbs.list('list the users', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.username },
    { title: 'ROLE', value: (row) => row.role },
    { title: 'ACTIVE', value: (row) => (row.active === false ? 'no' : 'yes') },
    { title: 'CREATED', value: (row) => row.created },
  ]);
  verbs.show('show one user');

  verbs.one(
    'password',
    'set a new password, read from standard input',
    async ({ client, path, object }) => {
      await client.act('PATCH', path, { json: { password: await readNewPassword(io) } });
      tell(io, `Changed the password of ${object.username}.`);
    },
    false,
  );

  verbs.remove('remove a user', ({ username }) => `the user ${username}`);
}
