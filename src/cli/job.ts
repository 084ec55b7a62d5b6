import { type Command, InvalidArgumentError, Option } from 'commander';
import { states } from '../domain/job-state.js';
import { connect, noun, serverCommand } from './connect.js';
import { Ended, exitCodes } from './failure.js';
import { find, kinds } from './find.js';
import { type CliIo, print, printJson, tell } from './io.js';
import { jobPath, registerJobStreams } from './job-streams.js';
import { renderObject, renderTable } from './table.js';

interface ListOptions {
  state?: string;
  limit: number;
  definition?: string;
  pipeline?: string;
  session?: string;
  json?: boolean;
}

/** `penstock job …`: what was run, and how it went. */
export function registerJob(program: Command, io: CliIo): void {
  const job = noun(program, 'job', 'what was run, and how it went');

  serverCommand(job, 'list', 'list jobs, the newest first')
    .addOption(new Option('--state <state>', 'only those in this state').choices(states))
    .option('--definition <definition>', 'only runs of this process definition, by name or id')
    .option('--pipeline <id>', 'only jobs of this pipeline')
    .option('--session <session>', 'only jobs of this session')
    .option('--limit <number>', 'at most so many', readCount, 20)
    .action((options: ListOptions, command: Command) => list(options, command, io));

  serverCommand(job, 'show', 'show one job')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const object = await (await connect(command, io)).object('GET', jobPath(uuid));
      if (options.json === true) printJson(io, object);
      else print(io, renderObject(object));
    });

  registerJobStreams(job, io);

  serverCommand(job, 'history', 'list what happened to a job, oldest first')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const { objects } = await (await connect(command, io)).list(jobPath(uuid, 'history'));
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

  serverCommand(job, 'cancel', 'end a job, with every process that it started')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const receipt = await (await connect(command, io)).object('POST', jobPath(uuid, 'cancel'));
      const survivors = Array.isArray(receipt.survivors) ? receipt.survivors.length : 0;
      if (options.json === true) printJson(io, receipt);
      else {
        const signalled = Array.isArray(receipt.signalled) ? receipt.signalled.length : 0;
        tell(
          io,
          `Cancelled job ${uuid}: ${processes(signalled)} signalled, ${survivors || 'none'} survived.`,
        );
      }
      if (survivors > 0) throw new Ended(exitCodes.failed);
    });
}

async function list(options: ListOptions, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const definition =
    options.definition === undefined ? undefined : await find(client, kinds.definition, options.definition);
  const query = {
    state: options.state,
    process_definition: definition?.object.id as number,
    pipeline: options.pipeline,
    session: options.session,
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
  if (total > objects.length && io.stderr.isTTY === true) {
    tell(io, `The newest ${objects.length} of ${total}; more with --limit.`);
  }
}

function processes(count: number): string {
  return count === 1 ? '1 process' : `${count} processes`;
}

function readCount(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new InvalidArgumentError('It has to be a whole number above 0.');
  return Number(text);
}
