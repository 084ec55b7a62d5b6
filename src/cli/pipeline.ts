import type { Command } from 'commander';
import { connect, noun, serverCommand } from './connect.js';
import { fileArgument, readDocument } from './document.js';
import { kinds } from './find.js';
import { type CliIo, harmless, print, printJson, tell } from './io.js';
import { renderObject } from './table.js';
import { type Options, verbsOf } from './verbs.js';

/** `penstock pipeline …`: what jobs that run elsewhere belong to. */
export function registerPipeline(program: Command, io: CliIo): void {
  const pipeline = noun(program, 'pipeline', 'what jobs that run elsewhere belong to');
  const verbs = verbsOf(pipeline, io, kinds.pipeline);

  serverCommand(pipeline, 'add', 'register a pipeline and print its id and UUID')
    .argument('<file>', fileArgument)
    .action(async (file: string, options: Options, command: Command) => {
      const document = await readDocument(file, io, 'a pipeline');
      const made = await (await connect(command, io)).create(kinds.pipeline.path, document);
      if (options.json === true) return printJson(io, made);
      print(io, renderObject({ id: made.id, uuid: made.uuid }));
      tell(io, `Added the pipeline ${harmless(`${made.name}`)}.`);
    });

  verbs.list('list the pipelines', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.name },
    { title: 'UUID', value: (row) => row.uuid },
    {
      title: 'COMPONENTS',
      value: ({ components }) => (Array.isArray(components) ? components.length : null),
      right: true,
    },
    { title: 'OWNER', value: (row) => row.owner },
    { title: 'CREATED', value: (row) => row.created },
  ]);
  verbs.show('show one pipeline');
  verbs
    .one(
      'update',
      'change what a pipeline says of itself; its UUID stays',
      async ({ client, path }, options, file = '-') => {
        await client.act('PUT', path, { json: await readDocument(file, io, 'a pipeline') });
        const changed = await client.object('GET', path);
        if (options.json === true) printJson(io, changed);
        else tell(io, `The pipeline ${harmless(`${changed.name}`)} is changed.`);
      },
    )
    .argument('<file>', fileArgument);
  verbs.remove('remove a pipeline that has no jobs', ({ name }) => `the pipeline ${harmless(`${name}`)}`);
}
