import type { Command } from 'commander';
import { connect, noun, serverCommand } from '../../client/connect.js';
import { type CliIo, print, printJson, tell } from '../../terminal/io.js';
import { renderTable, tellMore } from '../../terminal/table.js';
import { readCount } from '../values.js';
import { registerJobControl } from './job-control.js';
import { type JobFilters, jobFilters, readFilters } from './job-filters.js';
import { registerJobFollow } from './job-follow.js';
import { registerJobMessages } from './job-messages.js';
import { registerJobResume, renderJob } from './job-steps.js';
import { jobPath, registerJobStreams } from './job-streams.js';

interface ListOptions extends JobFilters {
  hidden?: boolean;
  limit: number;
  json?: boolean;
}

/** `penstock job …`: runs and their results. */
export function registerJob(program: Command, io: CliIo): void {
  const job = noun(program, 'job', 'runs and their results');

  jobFilters(serverCommand(job, 'list', 'list jobs, newest first'))
    .option('--hidden', 'only hidden jobs, which are otherwise left out')
    .option('--limit <number>', 'how many to list at most', readCount, 20)
    .action((options: ListOptions, command: Command) => list(options, command, io));

  serverCommand(job, 'show', 'show one job')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const object = await (await connect(command, io)).object('GET', jobPath(uuid));
      if (options.json === true) printJson(io, object);
      else print(io, renderJob(object));
    });

  registerJobResume(job, io);
  registerJobStreams(job, io);
  registerJobFollow(job, io);

  serverCommand(job, 'history', 'list the events of a job, oldest first')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const objects = await (await connect(command, io)).whole(jobPath(uuid, 'history'));
      if (options.json === true) return printJson(io, objects);
      print(
        io,
        renderTable(objects, [
          { title: 'DATE', value: (row) => row.date },
          { title: 'EVENT', value: (row) => row.name },
          { title: 'STATE', value: (row) => row.state },
          { title: 'DATA', value: (row) => row.data },
        ]),
      );
    });

  registerJobControl(job, io);

  serverCommand(job, 'remove', 'remove an ended job, with its history and files', false)
    .argument('<uuid>')
    .action(async (uuid: string, _options: object, command: Command) => {
      await (await connect(command, io)).act('DELETE', jobPath(uuid));
      tell(io, `Removed job ${uuid}.`);
    });

  registerJobMessages(job, io);
}

async function list(options: ListOptions, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const query = {
    ...(await readFilters(client, options)),
    ...(options.hidden === true ? { hidden: 'true' } : {}),
    order_by: '-created',
  };
  const { objects, total } = await client.list('/api/job/', query, options.limit);
  if (options.json === true) return printJson(io, objects);
  print(
    io,
    renderTable(objects, [
      { title: 'UUID', value: (row) => row.uuid },
      { title: 'STATE', value: (row) => row.state },
      { title: 'CAUSE', value: (row) => (row.outcome as { cause?: unknown } | null)?.cause },
      {
        title: 'EXIT',
        value: (row) => (row.outcome as { exit_code?: unknown } | null)?.exit_code,
        right: true,
      },
      { title: 'CREATED', value: (row) => row.created },
      { title: 'ENDED', value: (row) => row.ended },
      { title: 'OUTPUT', value: (row) => row.output_size, right: true },
    ]),
  );
  tellMore(io, objects.length, total);
}
