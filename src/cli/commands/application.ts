import type { Command } from 'commander';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { fileArgument, readDocument } from '../client/document.js';
import { kinds } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { type Options, verbsOf } from './verbs.js';

interface AddOptions extends Options {
  name?: string;
}

const words = 'an application';

/** `penstock application …`: what servers jobs need. Only an admin may change them; the server checks that. */
export function registerApplication(program: Command, io: CliIo): void {
  const application = noun(program, 'application', 'what servers jobs need: image, flavor, network, …');
  const verbs = verbsOf(application, io, kinds.application);

  serverCommand(application, 'add', 'add an application and print its id')
    .argument('<file>', fileArgument)
    .option('--name <name>', 'use this name, whatever the file says')
    .action(async (file: string, { name, json }: AddOptions, command: Command) => {
      const client = await connect(command, io);
      const document = await readDocument(file, io, words);
      const body = name === undefined ? document : { ...document, name };
      const made = await client.create(kinds.application.path, body);
      if (json === true) return printJson(io, made);
      print(io, String(made.id));
      tell(io, `Added ${titleOf(made)}.`);
    });

  verbs.list('list the applications', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'NAME', value: (row) => row.name },
    { title: 'CONNECTOR', value: (row) => row.connector },
    { title: 'IMAGE', value: (row) => row.image },
    { title: 'FLAVOR', value: (row) => row.flavor },
    { title: 'MAX', value: (row) => row.max_servers, right: true },
    { title: 'OWNER', value: (row) => row.owner },
    { title: 'DESCRIPTION', value: (row) => row.description },
  ]);
  verbs.show('show one application');

  verbs
    .one(
      'update',
      'change some fields; its servers are deleted once idle',
      async ({ client, path }, options, file = '-') => {
        await client.act('PATCH', path, { json: await readDocument(file, io, words) });
        const changed = await client.object('GET', path);
        if (options.json === true) printJson(io, changed);
        else tell(io, `Changed ${titleOf(changed)}. It is now at revision ${changed.revision}.`);
      },
    )
    .argument('<file>', fileArgument);

  verbs.remove('remove an application; its servers are deleted once idle', titleOf);
}

const titleOf = ({ name }: Json): string => `the application ${harmless(`${name}`)}`;
