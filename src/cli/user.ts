import type { Command } from 'commander';
import { connect, noun, serverCommand } from './connect.js';
import { find, kinds } from './find.js';
import { type CliIo, print, printJson, tell } from './io.js';
import { readNewPassword } from './prompt.js';
import { renderObject, renderTable } from './table.js';

/** `penstock user …`: who may log in. Only an admin may do most of this; the server decides. */
export function registerUser(program: Command, io: CliIo): void {
  const user = noun(program, 'user', 'people and programs that may log in');

  serverCommand(user, 'add', 'add a user; the password is read from standard input')
    .argument('<name>')
    .option('--admin', 'may see and do everything')
    .action(async (name: string, options: { admin?: boolean; json?: boolean }, command: Command) => {
      const client = await connect(command, io);
      const password = await readNewPassword(io);
      const role = options.admin === true ? 'admin' : 'user';
      const made = await client.create(kinds.user.path, { username: name, password, role });
      if (options.json === true) printJson(io, made);
      else tell(io, `Added ${role === 'admin' ? 'the admin' : 'the user'} ${name}.`);
    });

  serverCommand(user, 'list', 'list the users').action(
    async (options: { json?: boolean }, command: Command) => {
      const { objects } = await (await connect(command, io)).list(kinds.user.path);
      if (options.json === true) return printJson(io, objects);
      print(
        io,
        renderTable(objects, [
          { title: 'ID', value: (row) => row.id, right: true },
          { title: 'NAME', value: (row) => row.username },
          { title: 'ROLE', value: (row) => row.role },
          { title: 'ACTIVE', value: (row) => (row.active === false ? 'no' : 'yes') },
          { title: 'CREATED', value: (row) => row.created },
        ]),
      );
    },
  );

  serverCommand(user, 'show', 'show one user')
    .argument('<user>', 'name or id')
    .action(async (key: string, options: { json?: boolean }, command: Command) => {
      const { object } = await find(await connect(command, io), kinds.user, key);
      if (options.json === true) printJson(io, object);
      else print(io, renderObject(object));
    });

  serverCommand(user, 'password', 'set a new password, read from standard input', false)
    .argument('<user>', 'name or id')
    .action(async (key: string, _options: object, command: Command) => {
      const client = await connect(command, io);
      const { path, object } = await find(client, kinds.user, key);
      await client.act('PATCH', path, { json: { password: await readNewPassword(io) } });
      tell(io, `The password of ${object.username} is changed.`);
    });

  serverCommand(user, 'remove', 'remove a user', false)
    .argument('<user>', 'name or id')
    .action(async (key: string, _options: object, command: Command) => {
      const client = await connect(command, io);
      const { path, object } = await find(client, kinds.user, key);
      await client.act('DELETE', path);
      tell(io, `Removed the user ${object.username}.`);
    });
}
