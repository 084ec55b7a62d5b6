import type { Command } from 'commander';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import type { AskOptions, Client, Json } from './client.js';
import { readFileOrInput } from './document.js';
import { usageError } from './failure.js';

/** The option for servers whose job events manager has another name. */
export function managerOption(command: Command): Command {
  return command.option('--actor <name>', 'name of the job events manager', 'pipelinejobs-manager');
}

/** Sends a request to the manager, and returns the result without its envelope. */
export async function askManager<T = Json>(
  client: Client,
  method: string,
  actor: string,
  path: string,
  options: AskOptions = {},
): Promise<T> {
  const url = `/actors/v2/${encodeURIComponent(actor)}/${path}`;
  return (await client.object(method, url, options)).result as T;
}

/** Sends a message to the manager. `data` is JSON text, sent exactly as written. */
export function sendMessage(client: Client, actor: string, message: Json, data?: string): Promise<Json> {
  const text = JSON.stringify(message);
  // Not parsed and serialized: 1.0 would become 1, and the text of the data determines the job's identity.
  const body = data === undefined ? text : `${text.slice(0, -1)},"data":${data}}`;
  const headers = { 'Content-Type': 'application/json' };
  return askManager(client, 'POST', actor, 'messages', { body, headers });
}

/** The JSON text of `--data`: the argument itself, `@FILE`, or `@-` for standard input. */
export async function readData(given: string, io: CliIo): Promise<string> {
  const text = given.startsWith('@') ? await readFileOrInput(given.slice(1), io) : given;
  try {
    JSON.parse(text);
  } catch (error) {
    throw usageError(`--data is not valid JSON: ${messageOf(error)}`, 'To read it from a file: --data @FILE');
  }
  return text;
}
