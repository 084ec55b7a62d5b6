import { Command, CommanderError } from 'commander';
import { CliError, Ended, exitCodes, renderError, wantsColour } from './client/failure.js';
import { serverOptions } from './client/settings.js';
import { registerApplication } from './commands/application.js';
import { registerCompletion } from './commands/completion.js';
import { registerDefinition } from './commands/definition.js';
import { registerDelivery } from './commands/delivery.js';
import { registerHostKey } from './commands/host-key.js';
import { registerJob } from './commands/jobs/job.js';
import { registerNonce } from './commands/nonce.js';
import { registerOperation } from './commands/operation.js';
import { registerPipeline } from './commands/pipeline.js';
import { registerRun } from './commands/runs/run.js';
import { registerServer } from './commands/server.js';
import { registerStream } from './commands/stream.js';
import { registerSubscription } from './commands/subscription.js';
import { registerTask } from './commands/task.js';
import { registerToken } from './commands/token.js';
import { registerUser } from './commands/user.js';
import type { CliIo } from './terminal/io.js';

/** The bare `penstock`, without commands. */
export function buildProgram(io: CliIo, version: string): Command {
  return new Command('penstock')
    .description('A process registry that runs what it registers')
    .version(version)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'penstock: ')),
    })
    .showHelpAfterError('(for help: penstock --help)')
    .exitOverride();
}

/** Adds every command that talks to a server, and `completion`, which covers all commands. */
export function registerClientCommands(program: Command, io: CliIo): void {
  // The server options may also stand before the noun. They are not added to `serve`, which ignores them.
  serverOptions(program).enablePositionalOptions();
  registerRun(program, io);
  registerJob(program, io);
  registerDefinition(program, io);
  registerPipeline(program, io);
  registerOperation(program, io);
  registerStream(program, io);
  registerApplication(program, io);
  registerServer(program, io);
  registerTask(program, io);
  registerSubscription(program, io);
  registerDelivery(program, io);
  registerHostKey(program, io);
  registerUser(program, io);
  registerToken(program, io);
  registerNonce(program, io);
  registerCompletion(program, io);
}

/** Runs one command line, reports errors, and returns the exit code. */
export async function runCommandLine(program: Command, args: readonly string[], io: CliIo): Promise<number> {
  // A reader that closes the pipe early, as `head` does, is no reason for a stack trace.
  io.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.brokenPipe : exitCodes.failed);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof Ended) return error.exitCode;
    // Commander has printed its message. Help and version are not errors; the rest is a wrong command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    io.stderr.write(`${renderError(error, wantsColour(io))}\n`);
    return error instanceof CliError ? error.exitCode : exitCodes.failed;
  }
}
