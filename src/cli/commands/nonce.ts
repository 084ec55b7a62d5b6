import { type Command, Option } from 'commander';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { CliError } from '../client/failure.js';
import { askManager, managerOption } from '../client/manager.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { renderTable } from '../terminal/table.js';
import { readCount, readTime } from './values.js';

interface Options {
  actor: string;
  json?: boolean;
}

interface AddOptions extends Options {
  level?: string;
  maxUses?: number;
  expires?: string;
  description?: string;
}

/** `penstock nonce …`: logins for the job events manager that fit into a URL. */
export function registerNonce(program: Command, io: CliIo): void {
  const nonce = noun(program, 'nonce', 'logins in a URL, for programs that report on external jobs');

  managerOption(serverCommand(nonce, 'add', 'make a nonce and print it, once'))
    .addOption(
      new Option('--level <level>', 'what it allows (default: EXECUTE, to send messages)').choices([
        'READ',
        'EXECUTE',
        'UPDATE',
      ]),
    )
    .option('--max-uses <number>', 'how many times it may be used (default: no limit)', readCount)
    .option('--expires <time>', 'when it expires, such as 2030-01-31 or 2030-01-31T12:00:00Z', readTime)
    .option('--description <text>', 'what it is for')
    .action(async (options: AddOptions, command: Command) => {
      const { level, maxUses, expires, description } = options;
      const json = { level, maxUses, expireTime: expires, description };
      const made = await askManager(await connect(command, io), 'POST', options.actor, 'nonces', { json });
      if (options.json === true) return printJson(io, made);
      if (typeof made.id !== 'string') throw new CliError('The server made a nonce but did not return it.');
      // Alone on standard output, so that it can go straight into a variable or a file.
      print(io, made.id);
      tell(io, 'It will not be shown again. Lists show how it begins.');
    });

  managerOption(serverCommand(nonce, 'list', 'list your nonces, each by its first characters')).action(
    async (options: Options, command: Command) => {
      const client = await connect(command, io);
      const rows = await askManager<Json[]>(client, 'GET', options.actor, 'nonces');
      if (options.json === true) return printJson(io, rows);
      print(
        io,
        renderTable(rows, [
          { title: 'ID', value: (row) => row.id },
          { title: 'LEVEL', value: (row) => row.level },
          { title: 'USED', value: (row) => row.currentUses, right: true },
          {
            title: 'LEFT',
            value: (row) => (row.remainingUses === -1 ? 'no limit' : row.remainingUses),
            right: true,
          },
          { title: 'EXPIRES', value: (row) => row.expireTime ?? 'never' },
          { title: 'DESCRIPTION', value: (row) => row.description },
        ]),
      );
    },
  );

  managerOption(serverCommand(nonce, 'remove', 'revoke a nonce, with immediate effect', false))
    .argument('<nonce>', 'its id, as shown in the list')
    .action(async (id: string, options: Options, command: Command) => {
      const client = await connect(command, io);
      await askManager(client, 'DELETE', options.actor, `nonces/${encodeURIComponent(id)}`);
      tell(io, 'Removed the nonce.');
    });
}
