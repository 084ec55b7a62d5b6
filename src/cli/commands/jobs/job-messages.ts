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

/** The commands for jobs that run elsewhere: they are created, and told of, by messages. */
export function registerJobMessages(job: Command, io: CliIo): void {
  managerOption(serverCommand(job, 'create', 'create a job that runs elsewhere, as one of a pipeline'))
    .requiredOption('--pipeline <pipeline>', 'what it is one of, by name, id or UUID')
    .option('--data <json>', 'its parameters: JSON, @FILE, or @- for standard input', '{}')
    .option('--session <session>', 'a word that related jobs have in common')
    .option('--child-of <uuid>', 'what it works on (repeatable)', collect)
    .option('--archive-path <path>', 'where its results go, instead of the computed path')
    .action((options: CreateOptions, command: Command) => create(options, command, io));

  managerOption(serverCommand(job, 'event', 'tell what happened to a job that runs elsewhere'))
    .argument('<uuid>')
    // The names are known for completion; which of them are right now, the server says, and in better words.
    .addArgument(new Argument('<event>').choices(events).argParser(String))
    .option('--job-token <token>', "the job's token (PENSTOCK_JOB_TOKEN); an admin needs none")
    .option('--data <json>', 'what else to keep of it: JSON, @FILE, or @- for standard input')
    .action((uuid: string, name: string, options: EventOptions, command: Command) =>
      event(uuid, name, options, command, io),
    );

  serverCommand(job, 'token', "make a job's token and callback anew; those before are good no more")
    .argument('<uuid>')
    .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
      const made = await (await connect(command, io)).object('POST', jobPath(uuid, 'token'));
      if (options.json === true) return printJson(io, made);
      print(io, renderObject(secretsOf(made)));
      tell(io, 'They are not shown again.');
    });

  for (const [verb, action, about] of [
    ['hide', 'delete', 'leave a job out of lists and take no more events of it (for admins)'],
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
      `This job is there already, and ${made.state}: the same pipeline, parents and data are one job.`,
    );
    tell(io, `Its token is not shown again; another one: penstock job token ${made.uuid}`);
    return;
  }
  print(io, renderObject(secretsOf(made)));
  tell(io, 'The token and the callback are not shown again.');
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

/** What whoever runs the job needs to know of it. */
function secretsOf({ uuid, token, callback }: Json): Json {
  return { uuid, token, ...(callback === null ? {} : { callback }) };
}

/** A UUID is not looked up: whether there is such a pipeline, the manager says itself. */
async function pipelineUuid(client: Client, key: string): Promise<unknown> {
  return isUuid(key.toLowerCase().replace(/^(urn:uuid:|uri:urn:)/, ''))
    ? key
    : (await find(client, kinds.pipeline, key)).object.uuid;
}
