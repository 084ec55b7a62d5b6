import type { Command } from 'commander';
import { connect, serverCommand } from '../../client/connect.js';
import { Ended, exitCodes } from '../../client/failure.js';
import { type CliIo, printJson, tell } from '../../terminal/io.js';
import { jobPath } from './job-streams.js';

const verbs = [
  { name: 'cancel', about: 'end a job and every process that it started', done: 'Cancelled' },
  { name: 'stop', about: 'end a service; its job is then FINISHED', done: 'Stopped' },
  { name: 'restart', about: 'end the program of a service and start it again', done: 'Restarted' },
];

/** The commands that end a job's program: `cancel`, and for services `stop` and `restart`. */
export function registerJobControl(job: Command, io: CliIo): void {
  for (const { name, about, done } of verbs) {
    serverCommand(job, name, about)
      .argument('<uuid>')
      .action(async (uuid: string, options: { json?: boolean }, command: Command) => {
        const receipt = await (await connect(command, io)).object('POST', jobPath(uuid, name));
        const survivors = Array.isArray(receipt.survivors) ? receipt.survivors.length : 0;
        if (options.json === true) printJson(io, receipt);
        else {
          const signalled = Array.isArray(receipt.signalled) ? receipt.signalled.length : 0;
          tell(
            io,
            `${done} job ${uuid}: ${processes(signalled)} signalled, ${survivors || 'none'} survived.`,
          );
          if (typeof receipt.unproven === 'string')
            tell(io, `Something may still be running. ${receipt.unproven}`);
        }
        if (survivors > 0) throw new Ended(exitCodes.failed);
      });
  }
}

function processes(count: number): string {
  return count === 1 ? '1 process' : `${count} processes`;
}
