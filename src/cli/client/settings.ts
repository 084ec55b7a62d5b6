import { type Command, Option } from 'commander';
import { type CliIo, tell } from '../terminal/io.js';
import { askSecret } from '../terminal/prompt.js';
import { usageError } from './failure.js';

/** Where the server is and who asks. */
export interface Settings {
  base: URL;
  authorization: string | undefined;
}

export interface ServerOptions {
  url?: string;
  user?: string;
  token?: string;
}

const defaultUrl = 'http://127.0.0.1:8100';

/** Adds the options that every command has which talks to a server. */
export function serverOptions(command: Command): Command {
  const group = 'Server options:';
  return command
    .addOption(new Option('--url <url>', `the server (PENSTOCK_URL, else ${defaultUrl})`).helpGroup(group))
    .addOption(
      new Option(
        '--user <name>',
        'log in as NAME (PENSTOCK_USER; password: PENSTOCK_PASSWORD, else asked for)',
      )
        .argParser(String)
        .helpGroup(group),
    )
    .addOption(new Option('--token <token>', 'log in with a token (PENSTOCK_TOKEN)').helpGroup(group));
}

/** Flags win over the environment; what stands nearer to the verb wins over what stands before the noun. */
export async function readSettings(options: ServerOptions, io: CliIo): Promise<Settings> {
  return { base: readUrl(options, io), authorization: await readLogin(options, io) };
}

function readUrl(options: ServerOptions, io: CliIo): URL {
  const text = options.url ?? (io.env.PENSTOCK_URL || defaultUrl);
  const from = options.url === undefined ? 'PENSTOCK_URL' : '--url';
  if (!URL.canParse(text)) throw usageError(`${from} is not a URL: ${text}`, `One looks like ${defaultUrl}`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw usageError(`${from} must begin with http:// or https://: ${text}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw usageError(
      `${from} must not hold a login: it would show up in logs.`,
      'Use PENSTOCK_USER and PENSTOCK_PASSWORD.',
    );
  }
  // A server behind a proxy can live under a path: https://example.org/penstock
  url.pathname = url.pathname.replace(/\/+$/, '');
  url.search = '';
  url.hash = '';
  return url;
}

async function readLogin(options: ServerOptions, io: CliIo): Promise<string | undefined> {
  if (options.token !== undefined && options.user !== undefined) {
    throw usageError('Give --user or --token, not both.');
  }
  if (options.token !== undefined) {
    warnOfArgv(io, 'token', 'PENSTOCK_TOKEN');
    return bearer(options.token);
  }
  if (options.user !== undefined) {
    const colon = options.user.indexOf(':');
    if (colon === -1)
      return basic(options.user, io.env.PENSTOCK_PASSWORD || (await askPassword(options.user, io)));
    warnOfArgv(io, 'password', 'PENSTOCK_PASSWORD');
    return basic(options.user.slice(0, colon), options.user.slice(colon + 1));
  }
  if (io.env.PENSTOCK_TOKEN) return bearer(io.env.PENSTOCK_TOKEN);
  const name = io.env.PENSTOCK_USER;
  if (!name) return undefined;
  return basic(name, io.env.PENSTOCK_PASSWORD || (await askPassword(name, io)));
}

/** Says that a secret should not have been given that way. */
export function warnOfArgv(io: CliIo, what: string, variable: string): void {
  tell(
    io,
    `penstock: a ${what} on the command line can be read by every user of this machine; use ${variable}.`,
  );
}

function askPassword(name: string, io: CliIo): Promise<string> {
  if (io.stdin.isTTY !== true) {
    throw usageError(`There is no password for ${name}.`, 'Set PENSTOCK_PASSWORD, or use PENSTOCK_TOKEN.');
  }
  return askSecret(io, `Password of ${name}: `);
}

function basic(name: string, password: string): string {
  if (name.includes(':')) throw usageError('A user name cannot hold a colon.');
  return `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`;
}

function bearer(token: string): string {
  // A line break, as a file often leaves one at the end, would break the header.
  const trimmed = token.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed)) throw usageError('The token holds characters that no token has.');
  return `Bearer ${trimmed}`;
}
