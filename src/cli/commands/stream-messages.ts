import { once } from 'node:events';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { Json } from '../client/client.js';
import { connect, serverCommand } from '../client/connect.js';
import { CliError, usageError } from '../client/failure.js';
import { kinds, namedPath } from '../client/find.js';
import { follow } from '../client/follow.js';
import { openInput } from '../client/input.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { collect } from './values.js';

interface PublishOptions {
  line?: boolean;
  type?: string;
  header?: string[];
  id?: string;
  json?: boolean;
}

/** The messages of a stream: `publish` and `follow`. */
export function registerStreamMessages(stream: Command, io: CliIo): void {
  serverCommand(stream, 'publish', 'publish a message on a stream and print its id')
    .argument('<name>')
    .argument('[file]', 'the message; - or no file means standard input')
    .option('--line', 'publish each line as a message and print how many there were')
    .option('--type <type>', 'its content type, such as text/plain')
    .option('--header <name=value>', 'a header of the message (repeatable)', collect)
    .option('--id <id>', 'its id (default: a random one)')
    .action(async (name: string, file: string | undefined, options: PublishOptions, command: Command) =>
      publish(name, file, options, command, io),
    );

  serverCommand(stream, 'follow', 'print the messages of a stream as they arrive, one per line', false)
    .argument('<name>')
    .option('--json', 'print JSON, with the id, the type and the headers')
    .action(async (name: string, options: { json?: boolean }, command: Command) => {
      const client = await connect(command, io);
      const path = `${namedPath(kinds.stream, name)}messages/`;
      await follow({ client, path, write: (data, event) => show(data, event, options.json === true, io) });
    });
}

/** HTTP headers are bytes. This sends those of UTF-8 unchanged. */
function headerValue(what: string, value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a header cannot hold
  if (/[\u0000-\u001f\u007f]/.test(value)) throw usageError(`${what} contains a control character.`);
  return Buffer.from(value, 'utf8').toString('latin1');
}

function headersOf({ type, header = [], id }: PublishOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  if (type !== undefined) headers['Content-Type'] = headerValue('--type', type);
  if (id !== undefined) headers['Message-Id'] = headerValue('--id', id);
  for (const each of header) {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+)=(.*)$/s.exec(each) ?? [];
    if (name === undefined || value === undefined) {
      throw usageError(`--header ${each} is not NAME=VALUE.`, 'Example: --header level=high');
    }
    headers[`Message-Header-${name}`] = headerValue(`--header ${name}`, value);
  }
  return headers;
}

async function publish(
  name: string,
  file: string | undefined,
  options: PublishOptions,
  command: Command,
  io: CliIo,
): Promise<void> {
  const headers = headersOf(options);
  const client = await connect(command, io);
  const input = await openInput(file, io);
  if (input === undefined) {
    throw usageError('There is nothing to publish. Name a file, pipe the message in, or give - to type it.');
  }
  if (input.size !== undefined) headers['Content-Length'] = String(input.size);
  try {
    const answer = await client.object('POST', `${namedPath(kinds.stream, name)}messages/`, {
      query: options.line === true ? { framing: 'line' } : {},
      headers,
      body: Readable.from(input.stream, { objectMode: false }),
    });
    if (options.json === true) printJson(io, answer);
    else print(io, String(answer.id ?? answer.published));
  } finally {
    input.stream.destroy();
  }
}

/** Prints the bytes of a message and a newline. Reports other events on standard error. */
async function show(data: string, event: string, json: boolean, io: CliIo): Promise<void> {
  const told = read(data);
  if (event === 'left_out')
    return tell(io, `${Number(told.count)} messages were left out because they arrived too fast.`);
  if (event === 'link') {
    const text =
      told.linked === true ? 'Messages are arriving again.' : `No messages arrive: ${String(told.reason)}`;
    return tell(io, text);
  }
  if (event !== 'message') return;
  const bytes =
    typeof told.base64 === 'string' ? Buffer.from(told.base64, 'base64') : Buffer.from(String(told.text));
  const output = json ? `${data}\n` : Buffer.concat([bytes, Buffer.from('\n')]);
  if (!io.stdout.write(output)) await once(io.stdout, 'drain');
}

function read(data: string): Json {
  try {
    return JSON.parse(data) as Json;
  } catch (error) {
    throw new CliError('The server sent a message that is not JSON.', { cause: error });
  }
}
