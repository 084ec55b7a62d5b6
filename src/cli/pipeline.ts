import type { Command } from 'commander';
import { connect, noun, serverCommand } from './connect.js';
import { readDocument } from './document.js';
import { find, kinds } from './find.js';
import { type CliIo, harmless, print, printJson, tell } from './io.js';
import { renderObject, renderTable } from './table.js';

interface Options {
  json?: boolean;
}

/** `penstock pipeline …`: what jobs that run elsewhere belong to. */
export function registerPipeline(program: Command, io: CliIo): void {
  const pipeline = noun(program, 'pipeline', 'what jobs that run elsewhere belong to');

  serverCommand(pipeline, 'add', 'register a pipeline and print its id and UUID')
    .argument('<file>', 'JSON or YAML file, or - for standard input')
    .action(async (file: string, options: Options, command: Command) => {
      const document = await readDocument(file, io, 'a pipeline');
      const made = await (await connect(command, io)).create(kinds.pipeline.path, document);
      if (options.json === true) return printJson(io, made);
      print(io, renderObject({ id: made.id, uuid: made.uuid }));
      tell(io, `Added the pipeline ${harmless(`${made.name}`)}.`);
    });

  serverCommand(pipeline, 'list', 'list the pipelines').action(async (options: Options, command: Command) => {
    const { objects } = await (await connect(command, io)).list(kinds.pipeline.path);
    if (options.json === true) return printJson(io, objects);
    print(
      io,
      renderTable(objects, [
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
      ]),
    );
  });

  serverCommand(pipeline, 'show', 'show one pipeline')
    .argument('<pipeline>', 'name, id or UUID')
    .action(async (key: string, options: Options, command: Command) => {
      const { object } = await find(await connect(command, io), kinds.pipeline, key);
      if (options.json === true) printJson(io, object);
      else print(io, renderObject(object));
    });

  serverCommand(pipeline, 'remove', 'remove a pipeline that has no jobs', false)
    .argument('<pipeline>', 'name, id or UUID')
    .action(async (key: string, _options: object, command: Command) => {
      const client = await connect(command, io);
      const { path, object } = await find(client, kinds.pipeline, key);
      await client.act('DELETE', path);
      tell(io, `Removed the pipeline ${harmless(`${object.name}`)}.`);
    });
}
