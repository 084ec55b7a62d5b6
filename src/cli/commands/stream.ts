import { type Command, Option } from 'commander';
import { connect, noun, serverCommand } from '../client/connect.js';
import { kinds } from '../client/find.js';
import { type CliIo, harmless, printJson, tell } from '../terminal/io.js';
import { registerStreamMessages } from './stream-messages.js';
import { readCount } from './values.js';
import { type Options, verbsOf } from './verbs.js';

interface AddOptions extends Options {
  type?: string;
  durable: boolean;
  maxMessages?: number;
  description?: string;
}

/** `penstock stream …`: named channels of messages. */
export function registerStream(program: Command, io: CliIo): void {
  const stream = noun(program, 'stream', 'named channels of messages');
  const verbs = verbsOf(stream, io, kinds.stream);

  serverCommand(stream, 'add', 'add a stream')
    .argument('<name>')
    .addOption(
      new Option(
        '--type <type>',
        'memory: in this server; amqp: in the broker (default: amqp if a broker is configured)',
      ).choices(['memory', 'amqp']),
    )
    .option('--no-durable', 'messages in its queues may be lost at a restart')
    .option('--max-messages <number>', 'how many messages each of its queues may hold', readCount)
    .option('--description <text>', 'what it is for')
    .action(async (name: string, options: AddOptions, command: Command) => {
      const { type, durable, maxMessages, description } = options;
      const made = await (await connect(command, io)).create(kinds.stream.path, {
        name,
        type,
        ...(durable ? {} : { durable }),
        max_messages: maxMessages,
        description,
      });
      if (options.json === true) printJson(io, made);
      else tell(io, `Added the stream ${harmless(`${made.name}`)}, of type ${made.type}.`);
    });

  verbs.list('list the streams', [
    { title: 'NAME', value: (row) => row.name },
    { title: 'TYPE', value: (row) => row.type },
    { title: 'DURABLE', value: (row) => (row.durable === false ? 'no' : 'yes') },
    { title: 'MAX', value: (row) => row.max_messages, right: true },
    { title: 'OWNER', value: (row) => row.owner },
    { title: 'DESCRIPTION', value: (row) => row.description },
  ]);
  verbs.show('show one stream, and how much waits in its queues');
  verbs.remove(
    'remove a stream, with the messages in its queues',
    ({ name }) => `the stream ${harmless(`${name}`)}`,
  );
  registerStreamMessages(stream, io);
}
