import type { Command } from 'commander';
import type { Json } from './client.js';
import { connect, noun, serverCommand } from './connect.js';
import { CliError } from './failure.js';
import { find, kinds } from './find.js';
import { type CliIo, print, printJson, tell } from './io.js';
import { renderTable } from './table.js';
import { readTime } from './values.js';

/** `penstock token …`: logins for programs, which can be taken back one by one. */
export function registerToken(program: Command, io: CliIo): void {
  const token = noun(program, 'token', 'logins for programs, instead of a password');

  serverCommand(token, 'add', 'make a token for yourself and print it, once')
    .option('--name <name>', 'what it is for')
    .option('--expires <time>', 'when it ends, such as 2030-01-31 or 2030-01-31T12:00:00Z', readTime)
    .action(async (options: { name?: string; expires?: string; json?: boolean }, command: Command) => {
      const client = await connect(command, io);
      const { name, expires } = options;
      const made = await client.create(kinds.token.path, {
        ...(name === undefined ? {} : { name }),
        ...(expires === undefined ? {} : { expires }),
      });
      if (options.json === true) return printJson(io, made);
      if (typeof made.token !== 'string') throw new CliError('The server made a token, but did not show it.');
      // The token alone on standard output, so that it can go straight into a variable or a file.
      print(io, made.token);
      tell(io, `This is token ${made.id}. It is not shown again.`);
    });

  serverCommand(token, 'list', 'list your tokens, without their secrets').action(
    async (options: { json?: boolean }, command: Command) => {
      const { objects } = await (await connect(command, io)).list(kinds.token.path);
      if (options.json === true) return printJson(io, objects);
      print(
        io,
        renderTable(objects, [
          { title: 'ID', value: (row: Json) => row.id, right: true },
          { title: 'NAME', value: (row) => row.name },
          { title: 'CREATED', value: (row) => row.created },
          { title: 'EXPIRES', value: (row) => row.expires ?? 'never' },
        ]),
      );
    },
  );

  serverCommand(token, 'remove', 'take a token back: it ends at once', false)
    .argument('<token>', 'name or id')
    .action(async (key: string, _options: object, command: Command) => {
      const client = await connect(command, io);
      const { path, object } = await find(client, kinds.token, key);
      await client.act('DELETE', path);
      tell(io, `Removed token ${object.id}.`);
    });
}
