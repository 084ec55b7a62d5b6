import type { Command } from 'commander';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { fileArgument } from '../client/document.js';
import { CliError } from '../client/failure.js';
import { kinds, lastPart } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { renderTable } from '../terminal/table.js';
import { readDefinition } from './definition-file.js';
import { type Options as AnyOptions, verbsOf } from './verbs.js';

interface Options extends AnyOptions {
  name?: string;
}

/** `penstock definition …`: the programs that can be run. */
export function registerDefinition(program: Command, io: CliIo): void {
  const definition = noun(program, 'definition', 'the programs that can be run');
  const verbs = verbsOf(definition, io, kinds.definition);

  serverCommand(definition, 'add', 'register a process definition and print its id')
    .argument('<file>', fileArgument)
    .option('--name <name>', 'use this name, whatever the file says')
    .action(async (file: string, options: Options, command: Command) => {
      const client = await connect(command, io);
      const made = await client.create(kinds.definition.path, {
        definition: await document(file, options, io),
      });
      if (options.json === true) return printJson(io, made);
      print(io, String(made.id));
      tell(io, `Added ${titleOf(made)}.`);
    });

  verbs
    .list<Options>(
      'list the process definitions',
      [
        { title: 'ID', value: (row) => row.id, right: true },
        { title: 'NAME', value: (row) => row.name },
        { title: 'REVISION', value: (row) => row.revision, right: true },
        { title: 'EXEC', value: (row) => (row.definition as Json | undefined)?.exec },
        { title: 'OWNER', value: (row) => lastPart(row.owner) },
        { title: 'UPDATED', value: (row) => row.updated },
      ],
      ({ name }) => ({ name }),
    )
    .option('--name <name>', 'only definitions with this name');
  verbs.show('show one process definition');

  verbs
    .one<Options>(
      'update',
      'add a new revision; jobs keep the revision that they ran',
      async ({ client, path }, options, file = '-') => {
        await client.act('PUT', path, { json: { definition: await document(file, options, io) } });
        const changed = await client.object('GET', path);
        if (options.json === true) printJson(io, changed);
        else tell(io, `${titleOf(changed)} is now at revision ${changed.revision}.`);
      },
    )
    .argument('<file>', fileArgument)
    .option('--name <name>', 'use this name, whatever the file says');

  verbs.remove('remove a process definition; its jobs stay', titleOf);

  verbs
    .one<Options>(
      'test',
      'run the examples of a definition and check the results',
      async ({ client, path }, options) => {
        const query = options.name === undefined ? {} : { name: options.name };
        const report = await client.object('POST', `${path}test/`, { query });
        if (options.json === true) printJson(io, report);
        else print(io, testLines(report));
        if (report.passed !== report.total) throw new CliError(testSummary(report));
        tell(io, testSummary(report));
      },
    )
    .option('--name <name>', 'only the example with this name');

  verbs.one('revisions', 'list the revisions of a process definition', async ({ client, path }, options) => {
    const objects = await client.whole(`${path}revisions/`);
    if (options.json === true) return printJson(io, objects);
    print(
      io,
      renderTable(objects, [
        { title: 'REVISION', value: (row) => row.revision, right: true },
        { title: 'CREATED', value: (row) => row.created },
        { title: 'DEFINITION', value: (row) => row.definition },
      ]),
    );
  });
}

async function document(file: string, options: Options, io: CliIo): Promise<Json> {
  const read = await readDefinition(file, io);
  return options.name === undefined ? read : { ...read, name: options.name };
}

/** A line for each example, followed by the reason if it failed. */
function testLines({ tests }: Json): string {
  return (tests as Json[])
    .flatMap(({ name, index, passed, problem, job }) => {
      const result = passed === true ? 'PASS' : passed === false ? 'FAIL' : 'LATE';
      const title = harmless(`${result}  ${name ?? `test ${Number(index) + 1}`}`);
      return passed === true
        ? [title]
        : [title, `      ${harmless(String(problem))}`, ...(job === null ? [] : [`      ${job}`])];
    })
    .join('\n');
}

function testSummary({ total, passed, failed, unfinished }: Json): string {
  if (total === 0) return 'The definition has no examples.';
  const late = unfinished === 0 ? '' : `, ${unfinished} did not finish in time`;
  return `${passed} of ${total} passed, ${failed} failed${late}.`;
}

function titleOf(object: Json): string {
  return typeof object.name === 'string'
    ? `${object.name} (process definition ${object.id})`
    : `process definition ${object.id}`;
}
