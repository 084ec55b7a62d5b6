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

/** `penstock operation …`: what binds an input stream to a process definition to an output stream. */
export function registerOperation(program: Command, io: CliIo): void {
  const operation = noun(program, 'operation', 'programs that are given the messages of a stream');
  const verbs = verbsOf(operation, io, kinds.operation);

  serverCommand(operation, 'add', 'give the messages of a stream to a program; prints the id')
    .argument('<name>')
    .requiredOption('--definition <definition>', 'the process definition, by name or id')
    .requiredOption('--input <stream>', 'the stream whose messages are taken')
    .option('--output <stream>', 'the stream that results are published on')
    .addOption(
      new Option('--framing <framing>', 'how a service tells one message from the next').choices([
        'line',
        'nul',
        'length',
        'none',
      ]),
    )
    .addOption(
      new Option('--answers <answers>', 'how many records a service answers a message with').choices([
        'one',
        'any',
      ]),
    )
    .option('--content-type <type>', "of what is published, instead of the message's")
    .option('--prefetch <number>', 'most messages without a safe result', readCount)
    .option('--concurrency <number>', 'most jobs at once', readCount)
    .option('--dead-letters <stream>', 'the stream for messages without a result, instead of one of its own')
    .option('--inactive', 'do not start it; messages wait')
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
  verbs.show('show one operation, and how it is');

  for (const [name, about] of [
    ['start', 'take messages; one that fails is begun anew'],
    ['stop', 'take no messages, and end its service; messages wait'],
  ] as const) {
    verbs.one(name, about, async ({ client, path, object }, options) => {
      const now = await client.object('POST', `${path}${name}/`);
      if (options.json === true) printJson(io, now);
      else tell(io, `The operation ${harmless(`${object.name}`)} is ${now.state}.`);
    });
  }

  verbs.one(
    'dead-letters',
    'list messages that have no result, and why',
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

  verbs.one('replay', 'give its dead letters to it once more', async ({ client, path }, options) => {
    const answer = await client.object('POST', `${path}dead_letters/replay/`);
    if (options.json === true) return printJson(io, answer);
    const { replayed } = answer;
    if (replayed === 0) tell(io, 'There is no dead letter of it.');
    else if (replayed === 1) tell(io, 'One dead letter is given to it once more.');
    else tell(io, `${replayed} dead letters are given to it once more.`);
  });

  verbs.one('discard', 'throw its dead letters away', async ({ client, path }, options) => {
    const answer = await client.object('DELETE', `${path}dead_letters/`);
    if (options.json === true) printJson(io, answer);
    else tell(io, `Dead letters thrown away: ${answer.discarded}.`);
  });

  verbs.remove(
    'remove an operation, with its queue, its service and its dead letters',
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
