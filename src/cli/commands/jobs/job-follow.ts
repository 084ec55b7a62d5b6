import { once } from 'node:events';
import { type Command, Option } from 'commander';
import { events } from '../../../domain/jobs/job-state.js';
import type { Json } from '../../client/client.js';
import { connect, serverCommand } from '../../client/connect.js';
import { CliError, usageError } from '../../client/failure.js';
import { follow } from '../../client/follow.js';
import { hasEnded } from '../../client/outcome.js';
import type { CliIo } from '../../terminal/io.js';
import { cellText } from '../../terminal/table.js';
import { type JobFilters, jobFilters, readFilters } from './job-filters.js';
import { jobPath } from './job-streams.js';

interface Options extends JobFilters {
  event?: string;
  json?: boolean;
}

/** `penstock job follow`: the events of jobs as they happen. */
export function registerJobFollow(job: Command, io: CliIo): void {
  const command = serverCommand(job, 'follow', 'print events as they happen, of one job or of all', false)
    .argument('[uuid]', 'follow this job from its beginning to its end; without it, all jobs from now on')
    .option('--json', 'print JSON, one event per line')
    .addOption(new Option('--event <name>', 'only events with this name').choices(events));
  jobFilters(command).action((uuid: string | undefined, options: Options, command: Command) =>
    followEvents(uuid, options, command, io),
  );
}

async function followEvents(
  uuid: string | undefined,
  options: Options,
  command: Command,
  io: CliIo,
): Promise<void> {
  const write = async (data: string) => {
    const text = options.json === true ? data : lineOf(read(data), uuid === undefined);
    if (!io.stdout.write(`${text}\n`)) await once(io.stdout, 'drain');
  };
  const { event, state, definition, pipeline, session } = options;
  if (uuid === undefined) {
    const client = await connect(command, io);
    const query = { ...(await readFilters(client, options)), last_event: event };
    return follow({ client, path: '/api/job/', query, write });
  }
  if ([event, state, definition, pipeline, session].some((filter) => filter !== undefined)) {
    throw usageError('Filters apply to the events of all jobs. Leave out the filters or the UUID.');
  }
  const path = jobPath(uuid, 'history');
  const client = await connect(command, io);
  return follow({
    client,
    path,
    write,
    ended: async () => hasEnded(await client.object('GET', jobPath(uuid))),
  });
}

function read(data: string): Json {
  try {
    return JSON.parse(data) as Json;
  } catch (error) {
    throw new CliError('The server sent an event that is not JSON.', { cause: error });
  }
}

/** An event on one line, in columns as wide as can be known before the other events arrive. */
function lineOf(event: Json, withJob: boolean): string {
  const cells = [
    event.date,
    ...(withJob ? [event.job_uuid] : []),
    cellText(event.name).padEnd(9),
    cellText(event.state).padEnd(10),
    event.data,
  ];
  return cells.map(cellText).join('  ');
}
