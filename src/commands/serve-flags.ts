import { CliError, usageError } from '../cli/client/failure.js';
import type { Flags } from '../config/config.js';

/** What the node's server of old exited with when it was given no name or no password. */
const noLogin = 3;

/** The switches of `serve`, those of the node's server of old among them, as the flags that they mean. */
export function serveFlags(given: Flags & { ip?: string; verbose?: boolean }): Flags {
  const { ip, verbose, ...flags } = given;
  if (ip !== undefined && flags.host !== undefined && ip !== flags.host) {
    throw usageError(`--ip ${ip} and --host ${flags.host} mean the same; give one of them`);
  }
  for (const name of ['username', 'password'] as const) {
    const value = flags[name];
    if (value === undefined) continue;
    if (flags.nodeOnly !== true) {
      throw usageError(
        `--${name} is for --node-only`,
        'The first admin is made by PENSTOCK_ADMIN_USER and PENSTOCK_ADMIN_PASSWORD.',
      );
    }
    if (value === '') throw new CliError(`--${name} is empty`, { exitCode: noLogin });
  }
  if ((flags.username === undefined) !== (flags.password === undefined)) {
    throw usageError('--username and --password go together');
  }
  return {
    ...flags,
    host: flags.host ?? ip,
    logLevel: flags.logLevel ?? (verbose === true ? 'debug' : undefined),
  };
}
