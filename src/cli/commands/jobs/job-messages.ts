import { Argument, type Command } from 'commander';
import { isUuid } from '../../../domain/external-jobs/typed-uuid.js';
import { events } from '../../../domain/jobs/job-state.js';
import type { Client, Json } from '../../client/client.js';
import { connect, serverCommand } from '../../client/connect.js';
import { find, kinds } from '../../client/find.js';
import { managerOption, readData, sendMessage } from '../../client/manager.js';
import { warnOfArgv } from '../../client/settings.js';
import { type CliIo, harmless, print, printJson, tell } from '../../terminal/io.js';
import { renderObject } from '../../terminal/table.js';
import { collect } from '../values.js';
import { jobPath } from './job-streams.js';

interface Common {
  actor: string;
  json?: boolean;
}

interface CreateOptions extends Common {
  pipeline: string;
  data?: string;
  session?: string;
  childOf?: string[];
  archivePath?: string;
}

interface EventOptions extends Common {
  jobToken?: string;
  data?: string;
}

/** The commands for external jobs, which are created and updated by messages. */
export function registerJobMessages(job: Command, io: CliIo): void {
  managerOption(serverCommand(job, 'create', 'create an external job of a pipeline'))
    .requiredOption('--pipeline <pipeline>', 'the pipeline, by name, id or UUID')
    .option('--data <json>', 'its parameters: JSON, @FILE, or @- for standard input', '{}')
    .option('--session <session>', 'a word that related jobs share')
    .option('--child-of <uuid>', 'a parent of the job (repeatable)', collect)
    .option('--archive-path <path>', 'where its results go (default: a computed path)')
    .action((options: CreateOptions, command: Command) => create(options, command, io));

  managerOption(serverCommand(job, 'event', 'record what happened to an external job'))
    .argument('<uuid>')
    // The names serve completion. The server checks which of them are allowed, with better messages.
    .addArgument(new Argument('<event>').choices(events).argParser(String))
    .option('--job-token <token>', "the job's token (PENSTOCK_JOB_TOKEN); admins need none")
    .option('--data <json>', 'further data of the event: JSON, @FILE, or @- for standard input')
    .action((uuid: string, name: string, options: EventOptions, command: Command) =>
      event(uuid, name, options, command, io),
    );

  serverCommand(job, 'token', 'make a new token and callback for a job; the old ones stop working')
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const made = await (await connect(command, io)).object('POST', jobPath(uuid, 'token'));
      if (options.json === true) return printJson(io, made);
      print(io, renderObject(secretsOf(made)));
      tell(io, 'They will not be shown again.');
    });

  for (const [verb, action, about] of [
    ['hide', 'delete', 'leave a job out of lists and refuse further events for it (for admins)'],
    ['unhide', 'undelete', 'show a hidden job again (for admins)'],
  ] as const) {
    managerOption(serverCommand(job, verb, about))
      .argument('<uuid>')
      .action(async (uuid: string, options: Common, command: Command) => {
        const result = await sendMessage(await connect(command, io), options.actor, { uuid, action });
        if (options.json === true) printJson(io, result);
        else tell(io, `The job ${harmless(uuid)} is ${action === 'delete' ? 'hidden' : 'shown again'}.`);
      });
  }
}

async function create(options: CreateOptions, command: Command, io: CliIo): Promise<void> {
  const data = await readData(options.data ?? '{}', io);
  const client = await connect(command, io);
  const message = {
    pipeline_uuid: await pipelineUuid(client, options.pipeline),
    session: options.session,
    child_of: options.childOf,
    archive_path: options.archivePath,
  };
  const made = await sendMessage(client, options.actor, message, data);
  if (options.json === true) return printJson(io, made);
  if (typeof made.token !== 'string') {
    print(io, renderObject({ uuid: made.uuid }));
    tell(
      io,
      `This job already exists and is ${made.state}: the same pipeline, parents and data mean the same job.`,
    );
    tell(io, `Its token is not shown again. To make a new one: penstock job token ${made.uuid}`);
    return;
  }
  print(io, renderObject(secretsOf(made)));
  tell(io, 'The token and the callback will not be shown again.');
}

async function event(
  uuid: string,
  name: string,
  options: EventOptions,
  command: Command,
  io: CliIo,
): Promise<void> {
  if (options.jobToken !== undefined) warnOfArgv(io, 'token', 'PENSTOCK_JOB_TOKEN');
  const data = options.data === undefined ? undefined : await readData(options.data, io);
  const token = options.jobToken ?? (io.env.PENSTOCK_JOB_TOKEN || undefined);
  const client = await connect(command, io);
  const told = await sendMessage(client, options.actor, { uuid, name, token }, data);
  if (options.json === true) return printJson(io, told);
  print(io, `${told.state_before} → ${told.state}`);
  const archive = told.archive as { cleared: boolean; path?: string; reason?: string } | undefined;
  if (archive?.cleared === true) tell(io, `Its archive path was cleared: ${harmless(`${archive.path}`)}`);
  else if (archive !== undefined) {
    tell(io, `Its archive path was not cleared: ${harmless(`${archive.reason}`)}.`);
  }
}

/** What the program that runs the job needs. */
function secretsOf({ uuid, token, callback }: Json): Json {
  return { uuid, token, ...(callback === null ? {} : { callback }) };
}

/** A UUID is not looked up: the manager itself checks whether the pipeline exists. */
async function pipelineUuid(client: Client, key: string): Promise<unknown> {
  return isUuid(key.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, ''))
    ? key
    : (await find(client, kinds.pipeline, key)).object.uuid;
}
