import type { Command } from 'commander';
import type { Json } from '../../client/client.js';
import { connect, serverCommand } from '../../client/connect.js';
import { lastPart } from '../../client/find.js';
import { type CliIo, printJson, tell } from '../../terminal/io.js';
import { renderObject, renderTable } from '../../terminal/table.js';
import { jobPath } from './job-streams.js';

/** One job for a person to read: its fields, and the steps of a pipeline's job as a table. */
export function renderJob({ steps, ...job }: Json): string {
  if (!Array.isArray(steps)) return renderObject(job);
  const table = renderTable(steps as Json[], [
    { title: 'STEP', value: (step) => step.name },
    { title: 'STATE', value: (step) => step.state },
    { title: 'NEEDS', value: (step) => (step.needs as string[]).join(' ') },
    { title: 'ITEMS', value: itemsOf, right: true },
    { title: 'TO', value: (step) => step.joined_to && `| ${step.joined_to}` },
    { title: 'STARTED', value: (step) => step.started },
    { title: 'ENDED', value: (step) => step.ended },
    { title: 'EXIT', value: (step) => exitOf(step), right: true },
    { title: 'JOB', value: (step) => lastPart(step.job) },
  ]);
  return `${renderObject(job)}\n\n${table}`;
}

/** How many of its items have finished, out of how many. */
function itemsOf({ items }: Json): string | null {
  if (items === undefined) return null;
  const { finished, total } = items as { finished: number; total: number | null };
  return `${finished}/${total ?? '?'}`;
}

function exitOf({ outcome }: Json): unknown {
  const { exit_code: code, signal, cause } = (outcome ?? {}) as Record<string, unknown>;
  return code ?? signal ?? cause;
}

/** `penstock job resume`. */
export function registerJobResume(job: Command, io: CliIo): void {
  serverCommand(job, 'resume', 'resume a failed pipeline job at the step that failed')
    .argument('<uuid>')
    .option('--from <step>', 'resume at this step, whether it failed or not')
    .action(async (uuid: string, options: { from?: string; json?: boolean }, command: Command) => {
      const { from } = options;
      const resumed = await (await connect(command, io)).object('POST', jobPath(uuid, 'resume'), {
        json: from === undefined ? {} : { from },
      });
      if (options.json === true) printJson(io, resumed);
      else tell(io, `Resumed job ${uuid}. To follow it: penstock job follow ${uuid}`);
    });
}
