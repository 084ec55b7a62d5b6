import { type Command, Option } from 'commander';
import { type CliIo, tell } from '../terminal/io.js';
import { askSecret } from '../terminal/prompt.js';
import { usageError } from './failure.js';

/** Where the server is, and the login to use. */
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

/** Adds the options of every command that talks to a server. */
export function serverOptions(command: Command): Command {
  const group = 'Server options:';
  return command
    .addOption(
      new Option('--url <url>', `URL of the server (PENSTOCK_URL; default: ${defaultUrl})`).helpGroup(group),
    )
    .addOption(
      new Option('--user <name>', 'log in as this user (PENSTOCK_USER), with PENSTOCK_PASSWORD or a prompt')
        .argParser(String)
        .helpGroup(group),
    )
    .addOption(new Option('--token <token>', 'log in with a token (PENSTOCK_TOKEN)').helpGroup(group));
}

/** Flags take precedence over the environment, and flags after the verb over flags before the noun. */
export async function readSettings(options: ServerOptions, io: CliIo): Promise<Settings> {
  return { base: readUrl(options, io), authorization: await readLogin(options, io) };
}

function readUrl(options: ServerOptions, io: CliIo): URL {
  const text = options.url ?? (io.env.PENSTOCK_URL || defaultUrl);
  const from = options.url === undefined ? 'PENSTOCK_URL' : '--url';
  if (!URL.canParse(text)) throw usageError(`${from} is not a URL: ${text}`, `Example: ${defaultUrl}`);
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw usageError(`${from} must begin with http:// or https://: ${text}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw usageError(
      `${from} must not contain a login: it would show up in logs.`,
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

/** Warns about a secret on the command line. */
export function warnOfArgv(io: CliIo, what: string, variable: string): void {
  tell(
    io,
    `penstock: every user of this machine can see a ${what} on the command line; use ${variable} instead.`,
  );
}

function askPassword(name: string, io: CliIo): Promise<string> {
  if (io.stdin.isTTY !== true) {
    throw usageError(`The password for ${name} is missing.`, 'Set PENSTOCK_PASSWORD, or use PENSTOCK_TOKEN.');
  }
  return askSecret(io, `Password for ${name}: `);
}

function basic(name: string, password: string): string {
  if (name.includes(':')) throw usageError('A user name cannot contain a colon.');
  return `Basic ${Buffer.from(`${name}:${password}`, 'utf8').toString('base64')}`;
}

function bearer(token: string): string {
  // A line break, such as the one at the end of a file, would break the header.
  const trimmed = token.trim();
  if (!/^[\x21-\x7e]+$/.test(trimmed))
    throw usageError('The token contains characters that are not allowed in a token.');
  return `Bearer ${trimmed}`;
}
