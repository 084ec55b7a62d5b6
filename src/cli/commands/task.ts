import type { Command } from 'commander';
import type { Client, Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { fileArgument, readDocuments } from '../client/document.js';
import { Ended, exitCodes, renderError, ServerError, usageError, wantsColour } from '../client/failure.js';
import { toStdout } from '../client/output.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { renderObject, renderTable } from '../terminal/table.js';
import type { Options } from './verbs.js';

/** `penstock task …`: jobs on servers, by the scheduler's protocol. */
export function registerTask(program: Command, io: CliIo): void {
  const task = noun(program, 'task', "jobs on servers, by the scheduler's protocol");
  const verb = <T extends Options>(
    name: string,
    about: string,
    act: (client: Client, path: string, options: T) => Promise<void>,
    json = true,
  ) =>
    serverCommand(task, name, about, json)
      .argument('<id>')
      .action(async (id: string, options: T, command: Command) =>
        act(await connect(command, io), taskPath(id), options),
      );

  serverCommand(task, 'add', 'register a task, or a list of them; prints their ids')
    .argument('<file>', fileArgument)
    .action((file: string, options: Options, command: Command) => add(file, options, command, io));

  serverCommand(task, 'list', 'list the tasks that have not ended, oldest first').action(
    async (options: Options, command: Command) => {
      const { content } = await (await connect(command, io)).object('GET', '/tasks');
      if (options.json === true) return printJson(io, content);
      const { active, queued } = content as { active: Json[]; queued: Json[] };
      const rows = [
        ...active.map((each): Json => ({ ...each, status: 'active' })),
        ...queued.map((each): Json => ({ ...each, status: 'queued' })),
      ];
      print(
        io,
        renderTable(rows, [
          { title: 'ID', value: (row) => row.id },
          { title: 'STATUS', value: (row) => row.status },
          { title: 'TYPE', value: (row) => row.type },
          { title: 'RUNS', value: (row) => row.script ?? row.process_definition },
          { title: 'SESSION', value: (row) => row.session },
          { title: 'SERVER', value: (row) => row.server },
          { title: 'WAITS FOR', value: (row) => row.reason },
        ]),
      );
    },
  );

  verb('show', 'show one task, ended or not', async (client, path, { json }) => {
    const { status, task: shown } = (await client.object('GET', path)).content as Json;
    if (json === true) printJson(io, { status, task: shown });
    else print(io, renderObject({ status, ...(shown as Json) }));
  });

  verb<Options & { stderr?: boolean }>(
    'logs',
    "print a task's standard output",
    async (client, path, { stderr }) =>
      toStdout(
        await client.ask('GET', `${path}/${stderr === true ? 'stderr' : 'stdout'}`, {
          headers: { Accept: '*/*' },
        }),
        io,
      ),
    false,
  ).option('--stderr', 'print its standard error instead');

  verb('cancel', 'end a task and every process that it started', async (client, path, { json }) => {
    const { content } = await client.object('DELETE', path);
    if (json === true) printJson(io, content);
    else tell(io, `Cancelled task ${path.split('/').at(-1)}.`);
  });
}

/** Registers each task by itself. A wrong one is reported, and the others are still registered. */
async function add(file: string, options: Options, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const made: unknown[] = [];
  let bad = 0;
  for (const json of await readDocuments(file, io, 'a task')) {
    try {
      const { content } = await client.object('POST', '/tasks', { json });
      const { task } = content as { task: Json };
      made.push(task);
      if (options.json !== true) print(io, String(task.id));
    } catch (error) {
      if (!(error instanceof ServerError) || error.status !== 400) throw error;
      bad += 1;
      io.stderr.write(`${renderError(error, wantsColour(io))}\n`);
    }
  }
  if (options.json === true) printJson(io, made);
  else tell(io, `${made.length === 1 ? '1 task' : `${made.length} tasks`} registered.`);
  if (bad > 0) throw new Ended(exitCodes.failed);
}

function taskPath(id: string): string {
  // A slash or two dots would change the path.
  if (!/^\w[\w-]*$/.test(id)) throw usageError(`Not the id of a task: ${id}`, 'See: penstock task list');
  return `/tasks/${id}`;
}
