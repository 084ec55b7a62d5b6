import { type Command, Option } from 'commander';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { find, kinds, lastPart } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { renderTable } from '../terminal/table.js';
import { readCount } from './values.js';
import { type Options, verbsOf } from './verbs.js';

interface AddOptions extends Options {
  definition: string;
  input: string;
  output?: string;
  framing?: string;
  answers?: string;
  contentType?: string;
  prefetch?: number;
  concurrency?: number;
  deadLetters?: string;
  inactive?: boolean;
}

/** `penstock operation …`: feed the messages of a stream to a program, and publish its results. */
export function registerOperation(program: Command, io: CliIo): void {
  const operation = noun(program, 'operation', 'programs that process the messages of a stream');
  const verbs = verbsOf(operation, io, kinds.operation);

  serverCommand(operation, 'add', 'feed the messages of a stream to a program and print the id')
    .argument('<name>')
    .requiredOption('--definition <definition>', 'the process definition, by name or id')
    .requiredOption('--input <stream>', 'the stream to take messages from')
    .option('--output <stream>', 'the stream to publish results on')
    .addOption(
      new Option('--framing <framing>', 'how a service separates messages').choices([
        'line',
        'nul',
        'length',
        'none',
      ]),
    )
    .addOption(
      new Option('--answers <answers>', 'how many records a service returns for each message').choices([
        'one',
        'any',
      ]),
    )
    .option('--content-type <type>', 'content type of the results (default: that of the message)')
    .option('--prefetch <number>', 'how many messages may be in progress', readCount)
    .option('--concurrency <number>', 'how many jobs may run at once', readCount)
    .option('--dead-letters <stream>', 'the stream for failed messages (default: one of its own)')
    .option('--inactive', 'do not start it yet; messages wait')
    .action((name: string, options: AddOptions, command: Command) => add(name, options, command, io));

  verbs.list('list the operations', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.name },
    { title: 'DEFINITION', value: (row) => lastPart(row.process_definition), right: true },
    { title: 'INPUT', value: (row) => row.input_stream },
    { title: 'OUTPUT', value: (row) => row.output_stream },
    { title: 'STATE', value: (row) => row.state },
    { title: 'RECEIVED', value: ({ counts }) => (counts as Json | null)?.received, right: true },
    { title: 'PUBLISHED', value: ({ counts }) => (counts as Json | null)?.published, right: true },
    { title: 'DEAD', value: ({ counts }) => (counts as Json | null)?.dead, right: true },
    { title: 'OWNER', value: (row) => row.owner },
  ]);
  verbs.show('show one operation and its status');

  for (const [name, about] of [
    ['start', 'process messages; also restarts a failed operation'],
    ['stop', 'stop processing messages, which then wait, and end its service'],
  ] as const) {
    verbs.one(name, about, async ({ client, path, object }, options) => {
      const now = await client.object('POST', `${path}${name}/`);
      if (options.json === true) printJson(io, now);
      else tell(io, `The operation ${harmless(`${object.name}`)} is ${now.state}.`);
    });
  }

  verbs.one(
    'dead-letters',
    'list messages that failed, with the reason',
    async ({ client, path }, options) => {
      const found = await client.object('GET', `${path}dead_letters/`);
      if (options.json === true) return printJson(io, found);
      const header = (name: string) => (row: Json) => (row.headers as Json | undefined)?.[name];
      print(
        io,
        renderTable(found.objects as Json[], [
          { title: 'MESSAGE', value: (row) => row.id },
          { title: 'SIZE', value: (row) => row.size, right: true },
          { title: 'JOB', value: (row) => lastPart(header('penstock-job')(row)) },
          { title: 'REASON', value: header('penstock-reason') },
        ]),
      );
    },
  );

  verbs.one('replay', 'process its dead letters again', async ({ client, path }, options) => {
    const answer = await client.object('POST', `${path}dead_letters/replay/`);
    if (options.json === true) return printJson(io, answer);
    const { replayed } = answer;
    if (replayed === 0) tell(io, 'It has no dead letters.');
    else if (replayed === 1) tell(io, '1 dead letter will be processed again.');
    else tell(io, `${replayed} dead letters will be processed again.`);
  });

  verbs.one('discard', 'delete its dead letters', async ({ client, path }, options) => {
    const answer = await client.object('DELETE', `${path}dead_letters/`);
    if (options.json === true) printJson(io, answer);
    else tell(io, `Dead letters deleted: ${answer.discarded}.`);
  });

  verbs.remove(
    'remove an operation, with its queue, service and dead letters',
    ({ name }) => `the operation ${harmless(`${name}`)}`,
  );
}

async function add(name: string, options: AddOptions, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const definition = await find(client, kinds.definition, options.definition);
  const made = await client.create(kinds.operation.path, {
    name,
    process_definition: definition.path,
    input_stream: options.input,
    output_stream: options.output,
    framing: options.framing,
    answers: options.answers,
    content_type: options.contentType,
    prefetch: options.prefetch,
    concurrency: options.concurrency,
    dead_letters: options.deadLetters,
    active: options.inactive === true ? false : undefined,
  });
  if (options.json === true) return printJson(io, made);
  print(io, String(made.id));
  tell(io, `Added the operation ${harmless(name)}.`);
}
