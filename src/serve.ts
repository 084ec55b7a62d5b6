import { setFlagsFromString } from 'node:v8';
import { CliError } from './cli/failure.js';
import { ConfigError, type Flags, loadConfig } from './config.js';
import { messageOf } from './errors.js';
import { keepToOurselves } from './hosts/umask.js';
import { openLog } from './log.js';

/**
 * Settings of the engine that halve the memory of an idle server: the query compiler's WebAssembly is compiled once
 * and simply (its plans are cached, it is not what takes the time), and young objects get little room to grow into.
 * They only work before the code that they are about is loaded.
 */
function keepSmall(): void {
  setFlagsFromString('--liftoff-only');
  setFlagsFromString('--max-semi-space-size=4');
}

/** The server as a command: until SIGTERM or SIGINT. */
export async function serve(flags: Flags): Promise<void> {
  let config: ReturnType<typeof loadConfig>;
  try {
    config = loadConfig(flags);
  } catch (error) {
    throw error instanceof ConfigError ? new CliError(error.message) : error;
  }
  keepToOurselves();
  keepSmall();
  const { start } = await import('./app.js');
  const log = openLog(config.logLevel);
  // Whoever read them has gone, or the disk is full: no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  const app = await start(config, log).catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE')
      throw new CliError(`port ${config.port} on ${config.host} is in use by another program`);
    if (code === 'EACCES') throw new CliError(messageOf(error));
    throw error;
  });
  process.stdout.write(`penstock listening on ${app.url}\n`);
  if (config.nodeOnly) process.stdout.write(`the node's API page is ${app.nodeUrl}\n`);

  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info({ signal }, 'stopping; running programs go on');
    app.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: messageOf(error) }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  // A bug in one request must not end everybody else's work; what is stored is consistent at every instant.
  process.on('unhandledRejection', (reason) =>
    log.error({ error: messageOf(reason), stack: (reason as Error)?.stack }, 'unhandled'),
  );
}
