import type { Command } from 'commander';
import { connect, noun, serverCommand } from '../client/connect.js';
import { CliError } from '../client/failure.js';
import { kinds } from '../client/find.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { readTime } from './values.js';
import { type Options, verbsOf } from './verbs.js';

/** `penstock token …`: logins for programs, each of which can be revoked. */
export function registerToken(program: Command, io: CliIo): void {
  const token = noun(program, 'token', 'logins for programs, instead of a password');
  const verbs = verbsOf(token, io, kinds.token);

  serverCommand(token, 'add', 'make a token for yourself and print it, once')
    .option('--name <name>', 'what it is for')
    .option('--expires <time>', 'when it expires, such as 2030-01-31 or 2030-01-31T12:00:00Z', readTime)
    .action(async (options: Options & { name?: string; expires?: string }, command: Command) => {
      const client = await connect(command, io);
      const { name, expires } = options;
      const made = await client.create(kinds.token.path, {
        ...(name === undefined ? {} : { name }),
        ...(expires === undefined ? {} : { expires }),
      });
      if (options.json === true) return printJson(io, made);
      if (typeof made.token !== 'string')
        throw new CliError('The server made a token but did not return it.');
      // The token alone on standard output, so that it can go straight into a variable or a file.
      print(io, made.token);
      tell(io, `This is token ${made.id}. It will not be shown again.`);
    });

  verbs.list('list your tokens, without their secrets', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.name },
    { title: 'CREATED', value: (row) => row.created },
    { title: 'EXPIRES', value: (row) => row.expires ?? 'never' },
  ]);
  verbs.remove('revoke a token, with immediate effect', ({ id }) => `token ${id}`);
}
