import { type Command, Option } from 'commander';
import { noun } from './cli/client/connect.js';
import { buildProgram, registerClientCommands, runCommandLine } from './cli/program.js';
import { serveFlags } from './commands/serve-flags.js';
import { environment, type Flags } from './config/config.js';
import { version } from './lib/package.js';

const io = { env: environment, stdin: process.stdin, stdout: process.stdout, stderr: process.stderr };

const withFolders = (command: Command) =>
  command
    .option('--data <dir>', 'data folder, with the database and the files of jobs (PENSTOCK_DATA)')
    .option('--config <dir>', 'config folder, with YAML files (PENSTOCK_CONFIG)');

const program = buildProgram(io, version);

// Each command imports its own room, so that a client command starts without loading the server.
withFolders(program.command('serve').description('run the server'))
  .option('-i, --host <address>', 'address to listen on (PENSTOCK_HOST); alias: --ip')
  .addOption(new Option('--ip <address>').hideHelp())
  .option('-o, --port <number>', 'port to listen on, 0 for a free one (PENSTOCK_PORT)')
  .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent (PENSTOCK_LOG_LEVEL)')
  .option('-v, --verbose', 'same as --log-level debug')
  .option('--node-only', 'serve only the processing node and its jobs')
  .option('-u, --username <name>', "with --node-only: the node's user")
  .option(
    '-p, --password <password>',
    'with --node-only: the password of that user; safer in node.yaml, where nobody else sees it',
  )
  .action(async (given: Flags & { ip?: string; verbose?: boolean }) => {
    const { serve } = await import('./commands/serve.js');
    await serve(serveFlags(given));
  });

program
  .command('demo')
  .description('show what Penstock does: register programs and run them over HTTP, in a temporary folder')
  .action(async () => {
    const { demo } = await import('./commands/demo/demo.js');
    await demo(io.stdout);
  });

withFolders(
  program.command('backup <file>').description('copy the database to a file, even while the server runs'),
)
  .option('--force', 'overwrite the file if it exists')
  .action(async (file: string, flags: Flags & { force?: boolean }) => {
    const { makeBackup } = await import('./commands/backup.js');
    await makeBackup(file, flags, io.stderr);
  });

withFolders(
  program
    .command('doctor')
    .description('check the installation and the configuration, and say how to fix problems'),
)
  .option('--json', 'print JSON')
  .action(async (flags: Flags & { json?: boolean }) => {
    const { doctor } = await import('./commands/doctor/doctor.js');
    await doctor(flags, io);
  });

withFolders(
  program
    .command('reset-password <name>')
    .description(
      'set a new password, read from stdin, while the server is stopped; for an admin who lost theirs',
    ),
).action(async (name: string, flags: Flags) => {
  const { resetPassword } = await import('./commands/reset-password.js');
  await resetPassword(name, flags, io);
});

withFolders(
  noun(program, 'node', 'the processing node of this machine')
    .command('install [dir]')
    .description("create the processing node's home, with its folders and demo scripts (default: ~/pns)"),
)
  .option('--json', 'print JSON')
  .action(async (dir: string | undefined, flags: Flags & { json?: boolean }) => {
    const { installNode } = await import('./commands/node-install/node-install.js');
    await installNode(dir, flags, io);
  });

registerClientCommands(program, io);
process.exitCode = await runCommandLine(program, process.argv.slice(2), io);
// Whatever a failed start left open must not keep the process alive.
if (process.exitCode !== 0) process.exit();
