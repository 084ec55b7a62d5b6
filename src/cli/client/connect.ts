import type { Command } from 'commander';
import type { CliIo } from '../terminal/io.js';
import { Client } from './client.js';
import { readSettings, type ServerOptions, serverOptions } from './settings.js';

/** A new command that talks to a server, with the options for that, and with `--json` unless told otherwise. */
export function serverCommand(parent: Command, usage: string, about: string, json = true): Command {
  const command = parent.command(usage).description(about);
  if (json) command.option('--json', 'print JSON');
  return serverOptions(command);
}

/** The client for a command. Options may stand before the noun; those after the verb take precedence. */
export async function connect(command: Command, io: CliIo): Promise<Client> {
  const chain: Command[] = [];
  for (let each: Command | null = command; each !== null; each = each.parent) chain.unshift(each);
  const options: ServerOptions = {};
  for (const each of chain) Object.assign(options, each.opts<ServerOptions>());
  return new Client(await readSettings(options, io));
}

/** The command that holds the verbs of one noun. */
export function noun(program: Command, name: string, about: string): Command {
  return program.command(name).description(about).helpCommand(false);
}
