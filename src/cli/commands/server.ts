import { type Command, Option } from 'commander';
import { serverStates } from '../../domain/servers/server.js';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { Ended, exitCodes } from '../client/failure.js';
import { kinds } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { type Options, verbsOf } from './verbs.js';

interface ListOptions extends Options {
  application?: string;
  state?: string;
}

interface ClearOptions extends Options {
  all?: boolean;
  dryRun?: boolean;
}

/** `penstock server …`: the servers that Penstock creates for jobs in a cloud. */
export function registerServer(program: Command, io: CliIo): void {
  const server = noun(program, 'server', 'servers that are created for jobs and deleted again');
  const verbs = verbsOf(server, io, kinds.server);
  const there = serverStates.filter((state) => state !== 'deleted').join(',');

  verbs
    .list<ListOptions>(
      'list the servers that exist',
      [
        { title: 'ID', value: (row) => row.id, right: true },
        { title: 'NAME', value: (row) => row.name },
        { title: 'APPLICATION', value: (row) => row.application },
        { title: 'STATE', value: (row) => row.state },
        { title: 'ADDRESS', value: (row) => row.address },
        { title: 'USES', value: (row) => row.uses, right: true },
        { title: 'MINUTES', value: ({ minutes }) => Number(minutes).toFixed(1), right: true },
        { title: 'REASON', value: (row) => row.reason },
      ],
      ({ state, application }) => ({ ...(state ? { state } : { state__in: there }), application }),
    )
    .addOption(new Option('--state <state>', 'only servers in this state').choices(serverStates))
    .option('--application <name>', 'only servers of this application');
  verbs.show('show one server and the jobs that it ran');

  serverCommand(server, 'clear', 'delete servers that Penstock created in the cloud and no longer tracks')
    .option('--all', "delete every server of the cloud's project that is not listed here, whoever created it")
    .option('--dry-run', 'only print the ids')
    .action((options: ClearOptions, command: Command) => clear(options, command, io));

  verbs.remove('delete an idle server', ({ name }) => `the server ${harmless(`${name}`)}`);
}

async function clear({ all, dryRun, json }: ClearOptions, command: Command, io: CliIo): Promise<void> {
  const query = { all: all ? '1' : undefined, dry_run: dryRun ? '1' : undefined };
  const client = await connect(command, io);
  const { content } = await client.object('DELETE', '/servers/untracked', { query });
  // If nothing failed, the answer is just the list.
  const { deleted, failed } = (Array.isArray(content) ? { deleted: content, failed: [] } : content) as {
    deleted: string[];
    failed: Json[];
  };
  if (json === true) printJson(io, { deleted, failed });
  else {
    for (const id of deleted) print(io, harmless(id));
    for (const { id, reason } of failed)
      tell(io, `Cannot delete ${harmless(`${id}`)}: ${harmless(`${reason}`)}`);
    const count = deleted.length === 1 ? '1 server' : `${deleted.length} servers`;
    tell(io, dryRun ? `${count} would be deleted.` : `${count} deleted.`);
  }
  if (failed.length > 0) throw new Ended(exitCodes.failed);
}
