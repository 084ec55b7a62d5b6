import type { Command } from 'commander';
import type { Client, Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { fileArgument, readDocument } from '../client/document.js';
import { find, kinds } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { renderObject } from '../terminal/table.js';
import { registerPipelineRun } from './runs/run.js';
import { type Options, verbsOf } from './verbs.js';

/** `penstock pipeline …`: programs joined as steps, and the pipelines of external jobs. */
export function registerPipeline(program: Command, io: CliIo): void {
  const pipeline = noun(program, 'pipeline', 'programs joined as steps, and the pipelines of external jobs');
  const verbs = verbsOf(pipeline, io, kinds.pipeline);

  serverCommand(pipeline, 'add', 'register a pipeline and print its id and UUID')
    .argument('<file>', fileArgument)
    .action(async (file: string, options: Options, command: Command) => {
      const document = await readDocument(file, io, 'a pipeline');
      const client = await connect(command, io);
      const made = await client.create(kinds.pipeline.path, await withIds(client, document));
      if (options.json === true) return printJson(io, made);
      print(io, renderObject({ id: made.id, uuid: made.uuid }));
      tell(io, `Added the pipeline ${harmless(`${made.name}`)}.`);
    });

  verbs.list('list the pipelines', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.name },
    { title: 'UUID', value: (row) => row.uuid },
    { title: 'TYPE', value: (row) => row.type },
    { title: 'PARTS', value: ({ steps, components }) => lengthOf(steps ?? components), right: true },
    { title: 'OWNER', value: (row) => row.owner },
    { title: 'CREATED', value: (row) => row.created },
  ]);
  verbs.show('show one pipeline');
  registerPipelineRun(pipeline, io);
  verbs
    .one('update', 'change a pipeline; its UUID stays', async ({ client, path }, options, file = '-') => {
      await client.act('PUT', path, {
        json: await withIds(client, await readDocument(file, io, 'a pipeline')),
      });
      const changed = await client.object('GET', path);
      if (options.json === true) printJson(io, changed);
      else tell(io, `Changed the pipeline ${harmless(`${changed.name}`)}.`);
    })
    .argument('<file>', fileArgument);
  verbs.remove('remove a pipeline that has no jobs', ({ name }) => `the pipeline ${harmless(`${name}`)}`);
}

const lengthOf = (list: unknown): number | null => (Array.isArray(list) ? list.length : null);

/** The document with ids in place of definition names, which the server does not accept there. */
async function withIds(client: Client, document: Json): Promise<Json> {
  if (!Array.isArray(document.steps)) return document;
  const steps: unknown[] = [];
  for (const step of document.steps as unknown[]) {
    const named = typeof step === 'object' && step !== null ? (step as Json).process_definition : undefined;
    const isName = typeof named === 'string' && !/^(\/api\/process_definition\/)?\d+\/?$/.test(named);
    if (!isName) steps.push(step);
    else {
      const { object } = await find(client, kinds.definition, named);
      steps.push({ ...(step as Json), process_definition: object.id });
    }
  }
  return { ...document, steps };
}
