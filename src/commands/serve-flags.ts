import { CliError, usageError } from '../cli/client/failure.js';
import type { Flags } from '../config/config.js';

/** The exit code of the older node server for an empty user name or password. */
const noLogin = 3;

/** The switches of `serve`, including those of the older node server, as flags. */
export function serveFlags(given: Flags & { ip?: string; verbose?: boolean }): Flags {
  const { ip, verbose, ...flags } = given;
  if (ip !== undefined && flags.host !== undefined && ip !== flags.host) {
    throw usageError(`--ip ${ip} and --host ${flags.host} mean the same. Give only one of them.`);
  }
  for (const name of ['username', 'password'] as const) {
    const value = flags[name];
    if (value === undefined) continue;
    if (flags.nodeOnly !== true) {
      throw usageError(
        `--${name} only works with --node-only.`,
        'For the first admin, set PENSTOCK_ADMIN_USER and PENSTOCK_ADMIN_PASSWORD.',
      );
    }
    if (value === '') throw new CliError(`--${name} is empty.`, { exitCode: noLogin });
  }
  if ((flags.username === undefined) !== (flags.password === undefined)) {
    throw usageError('--username and --password go together. Give both or neither.');
  }
  return {
    ...flags,
    host: flags.host ?? ip,
    logLevel: flags.logLevel ?? (verbose === true ? 'debug' : undefined),
  };
}
