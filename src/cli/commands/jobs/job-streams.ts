import { once } from 'node:events';
import type { Command } from 'commander';
import { connect, serverCommand } from '../../client/connect.js';
import { CliError, usageError } from '../../client/failure.js';
import { follow } from '../../client/follow.js';
import { hasEnded } from '../../client/outcome.js';
import { toFile, toStdout } from '../../client/output.js';
import type { CliIo } from '../../terminal/io.js';
import { readCount } from '../values.js';

/** The address of a job, or of a part of it. */
export function jobPath(uuid: string, part?: string): string {
  // Checked here because a slash or two dots would change the path.
  if (!/^\w[\w.-]*$/.test(uuid)) throw usageError(`Not the UUID of a job: ${uuid}`, 'See: penstock job list');
  return part === undefined ? `/api/job/${uuid}/` : `/api/job/${uuid}/${part}/`;
}

interface LogOptions {
  follow?: boolean;
  stderr?: boolean;
  attempt?: number;
}

/** The commands that print what a program wrote: `logs` and `output`. */
export function registerJobStreams(job: Command, io: CliIo): void {
  serverCommand(job, 'logs', 'print what a program wrote to its standard output', false)
    .argument('<uuid>')
    .option('-f, --follow', 'keep printing until the job has ended')
    .option('--stderr', 'print its standard error instead')
    .option('--attempt <number>', 'the logs of this attempt, instead of the latest', readCount)
    .action(async (uuid: string, options: LogOptions, command: Command) => {
      const client = await connect(command, io);
      const path = jobPath(uuid, options.stderr === true ? 'stderr' : 'stdout');
      const query = { attempt: options.attempt };
      if (options.follow !== true) {
        return toStdout(await client.ask('GET', path, { query, headers: { Accept: '*/*' } }), io);
      }
      const ended = async () => hasEnded(await client.object('GET', jobPath(uuid)));
      await follow({
        client,
        path,
        query: { ...query, as: 'json' },
        ended,
        write: (data) => write(io, data),
      });
    });

  serverCommand(job, 'output', 'print the output of a job, or write it to a file', false)
    .argument('<uuid>')
    .option('-o, --output <file>', 'write it to a file, which appears once it is complete')
    .action(async (uuid: string, options: { output?: string }, command: Command) => {
      const client = await connect(command, io);
      const answer = await client.ask('GET', jobPath(uuid, 'output'), { headers: { Accept: '*/*' } });
      const binary = `penstock job output ${uuid} -o FILE`;
      if (options.output === undefined || options.output === '-') await toStdout(answer, io, { binary });
      else await toFile(answer, options.output, io);
    });
}

/** Writes the bytes of a log that an event carries: as text, or in base64 if they are not UTF-8. */
async function write(io: CliIo, data: string): Promise<void> {
  let told: string | { base64: string };
  try {
    told = JSON.parse(data) as typeof told;
  } catch (error) {
    throw new CliError('The server sent a piece of a log that is not JSON.', { cause: error });
  }
  const bytes = typeof told === 'string' ? told : Buffer.from(told.base64, 'base64');
  if (!io.stdout.write(bytes)) await once(io.stdout, 'drain');
}
