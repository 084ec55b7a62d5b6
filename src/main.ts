import { type Command, Option } from 'commander';
import { noun } from './cli/client/connect.js';
import { buildProgram, registerClientCommands, runCommandLine } from './cli/program.js';
import { serveFlags } from './commands/serve-flags.js';
import { environment, type Flags } from './config/config.js';
import { version } from './lib/package.js';

const io = { env: environment, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };

const withFolders = (command: Command) =>
  command
    .option('--data <dir>', 'folder for the database and the files of jobs (PENSTOCK_DATA)')
    .option('--config <dir>', 'folder with the YAML files (PENSTOCK_CONFIG)');

const program = buildProgram(io, version);

// The rooms are loaded by the command that needs them: a client command starts without the server's code.
withFolders(program.command('serve').description('run the server'))
  .option('-i, --host <address>', 'address to listen on (PENSTOCK_HOST); --ip means the same')
  .addOption(new Option('--ip <address>').hideHelp())
  .option('-o, --port <number>', 'port to listen on, 0 for a free one (PENSTOCK_PORT)')
  .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent (PENSTOCK_LOG_LEVEL)')
  .option('-v, --verbose', 'the same as --log-level debug')
  .option('--node-only', 'nothing but the processing node and its jobs')
  .option('-u, --username <name>', "with --node-only: the node's user")
  .option('-p, --password <password>', "with --node-only: that user's password; node.yaml keeps it to itself")
  .action(async (given: Flags & { ip?: string; verbose?: boolean }) => {
    const { serve } = await import('./commands/serve.js');
    await serve(serveFlags(given));
  });

program
  .command('demo')
  .description('show what Penstock does: on a temporary folder, register programs and run them over HTTP')
  .action(async () => {
    const { demo } = await import('./commands/demo/demo.js');
    await demo(io.stdout);
  });

withFolders(
  program.command('backup <file>').description('copy the database, also of a running server, to a file'),
)
  .option('--force', 'overwrite the file if there is one')
  .action(async (file: string, flags: Flags & { force?: boolean }) => {
    const { makeBackup } = await import('./commands/backup.js');
    await makeBackup(file, flags, io.stderr);
  });

withFolders(
  program
    .command('doctor')
    .description('check the installation and the configuration, and say how to mend them'),
)
  .option('--json', 'as JSON')
  .action(async (flags: Flags & { json?: boolean }) => {
    const { doctor } = await import('./commands/doctor/doctor.js');
    await doctor(flags, io);
  });

withFolders(
  program
    .command('reset-password <name>')
    .description("give a user a new password, from stdin, while the server is stopped: for a lost admin's"),
).action(async (name: string, flags: Flags) => {
  const { resetPassword } = await import('./commands/reset-password.js');
  await resetPassword(name, flags, io);
});

withFolders(
  noun(program, 'node', 'the processing node of this machine')
    .command('install [dir]')
    .description(
      "make the processing node's home, with its folders and demo scripts; ~/pns if none is named",
    ),
)
  .option('--json', 'print JSON')
  .action(async (dir: string | undefined, flags: Flags & { json?: boolean }) => {
    const { installNode } = await import('./commands/node-install/node-install.js');
    await installNode(dir, flags, io);
  });

registerClientCommands(program, io);
process.exitCode = await runCommandLine(program, process.argv.slice(2), io);
// What was opened by a start that failed must not keep the process.
if (process.exitCode !== 0) process.exit();
