import { Command, CommanderError } from 'commander';
import { registerApplication } from './application.js';
import { registerCompletion } from './completion.js';
import { registerDefinition } from './definition.js';
import { registerDelivery } from './delivery.js';
import { CliError, Ended, exitCodes, renderError, wantsColour } from './failure.js';
import { registerHostKey } from './host-key.js';
import type { CliIo } from './io.js';
import { registerJob } from './job.js';
import { registerNonce } from './nonce.js';
import { registerOperation } from './operation.js';
import { registerPipeline } from './pipeline.js';
import { registerRun } from './run.js';
import { registerServer } from './server.js';
import { serverOptions } from './settings.js';
import { registerStream } from './stream.js';
import { registerSubscription } from './subscription.js';
import { registerTask } from './task.js';
import { registerToken } from './token.js';
import { registerUser } from './user.js';

/** The bare `penstock`, without a single command. */
export function buildProgram(io: CliIo, version: string): Command {
  return new Command('penstock')
    .description('A process registry that runs what it registers')
    .version(version)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'penstock: ')),
    })
    .showHelpAfterError('(penstock --help tells more)')
    .exitOverride();
}

/** Adds every command that talks to a server, and `completion`, which speaks of all the others too. */
export function registerClientCommands(program: Command, io: CliIo): void {
  // The server may be chosen before the noun as well; only there, so that `serve` does not seem to take it.
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

/** Runs one command line and gives back the exit code; errors have been told by then. */
export async function runCommandLine(program: Command, args: readonly string[], io: CliIo): Promise<number> {
  // A reader that has had enough, as `head` does, is no reason for a stack trace.
  io.stdout.once('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.brokenPipe : exitCodes.failed);
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (error instanceof Ended) return error.exitCode;
    // Commander has printed its own: help and version are no errors, all else is a wrong command line.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    io.stderr.write(`${renderError(error, wantsColour(io))}\n`);
    return error instanceof CliError ? error.exitCode : exitCodes.failed;
  }
}
