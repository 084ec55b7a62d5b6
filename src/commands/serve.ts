import { setFlagsFromString } from 'node:v8';
import { CliError } from '../cli/client/failure.js';
import { ConfigError, type Flags, loadConfig } from '../config/config.js';
import { openFilesLimit } from '../drivers/processes/own-limits.js';
import { keepToOurselves } from '../drivers/processes/umask.js';
import { messageOf } from '../lib/errors.js';
import { type Logger, openLog } from '../lib/log.js';

/**
 * Settings of V8 that halve the memory of an idle server: the query compiler's WebAssembly is compiled without
 * optimization (its plans are cached, so its speed hardly matters), and the young generation stays small. They must be
 * set before that code is loaded.
 */
function keepSmall(): void {
  setFlagsFromString('--liftoff-only');
  setFlagsFromString('--max-semi-space-size=4');
}

/** With fewer open files, a start fails in the middle, and a running server fails for one job after another. */
const fewestOpenFiles = 256;

function checkOpenFiles(): void {
  const limit = openFilesLimit();
  if (limit >= fewestOpenFiles) return;
  throw new CliError(
    `This process may open only ${limit} files, but the server needs at least ${fewestOpenFiles}. Raise the limit with \`ulimit -n 4096\`, or LimitNOFILE=4096 in a systemd unit.`,
  );
}

/** Reloads the configuration. If it is invalid, logs why and changes nothing. */
function reload(app: { reload(): string[] } | undefined, log: Logger): void {
  try {
    // During the start, the configuration has only just been read.
    if (app !== undefined) log.info({ needs_restart: app.reload() }, 'configuration reloaded');
  } catch (error) {
    log.error({ error: messageOf(error) }, 'cannot reload configuration: the old one stays in effect');
  }
}

/** Milliseconds to wait for the last lines of the log to be read before exiting anyway. */
const lastWords = 1000;

function leave(log: Logger, code: number): void {
  setTimeout(() => process.exit(code), lastWords);
  log.flush(() => process.exit(code));
}

/** Runs the server until SIGTERM or SIGINT. SIGHUP reloads the configuration. */
export async function serve(flags: Flags): Promise<void> {
  let config: ReturnType<typeof loadConfig>;
  try {
    config = loadConfig(flags);
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message) : error;
  }
  checkOpenFiles();
  keepToOurselves();
  keepSmall();
  const { start } = await import('../app/app.js');
  const log = openLog(config.logLevel);
  // The reader is gone, or the disk is full. Neither is a reason to exit.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  let app: Awaited<ReturnType<typeof start>> | undefined;
  process.on('SIGHUP', () => reload(app, log));
  app = await start(config, log).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new CliError(
        `Port ${config.port} on ${config.host} is in use by another program. Choose another with --port.`,
      );
    if (code === 'EACCES') throw new CliError(messageOf(error));
    throw error;
  });
  process.stdout.write(`penstock listening on ${app.url}\n`);
  if (config.nodeOnly) process.stdout.write(`the node's API page is ${app.nodeUrl}\n`);

  let stopping = false;
  const running = app;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping; running programs continue');
    running.stop().then(
      () => leave(log, 0),
      (error: unknown) => {
        log.error({ error: messageOf(error) }, 'cannot stop cleanly');
        leave(log, 1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // A bug in one request must not end everybody's work. The stored data is consistent at every moment.
  process.on('unhandledRejection', (reason) =>
    log.error({ error: messageOf(reason), stack: (reason as Error)?.stack }, 'unhandled error'),
  );
}
