import type { Command } from 'commander';
import type { Client, Json } from '../client/client.js';
import { connect, serverCommand } from '../client/connect.js';
import { type Found, find, type Kind } from '../client/find.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { type Column, renderObject, renderTable } from '../terminal/table.js';

/** Options of every command. */
export interface Options {
  json?: boolean;
}

/** The verbs that nouns have in common, as subcommands of the noun. */
export function verbsOf(noun: Command, io: CliIo, kind: Kind) {
  /** A verb for one object, found by its name or id. `act` also gets the arguments after that one. */
  const one = <T extends Options>(
    name: string,
    about: string,
    act: (found: Found & { client: Client }, options: T, ...more: string[]) => unknown,
    json = true,
  ): Command =>
    serverCommand(noun, name, about, json)
      .argument(`<${noun.name()}>`, kind.called)
      .action(async (key: string, ...rest: [...more: string[], options: T, command: Command]) => {
        const [options, command] = rest.splice(-2) as [T, Command];
        const client = await connect(command, io);
        await act({ client, ...(await find(client, kind, key)) }, options, ...(rest as unknown as string[]));
      });

  return {
    one,

    /** Lists all objects in a table. `query` turns the command's options into filters. */
    list: <T extends Options>(
      about: string,
      columns: readonly Column<Json>[],
      query: (options: T) => Record<string, string | undefined> = () => ({}),
    ): Command =>
      serverCommand(noun, 'list', about).action(async (options: T, command: Command) => {
        const { objects } = await (await connect(command, io)).list(kind.path, query(options));
        if (options.json === true) printJson(io, objects);
        else print(io, renderTable(objects, columns));
      }),

    show: (about: string): Command =>
      one('show', about, async ({ client, path }, options) => {
        // An object found by name comes from a list, which leaves out some fields.
        const object = await client.object('GET', path);
        if (options.json === true) printJson(io, object);
        else print(io, renderObject(object));
      }),

    /** `title` says what was removed. */
    remove: (about: string, title: (object: Json) => string): Command =>
      one(
        'remove',
        about,
        async ({ client, path, object }) => {
          await client.act('DELETE', path);
          tell(io, `Removed ${title(object)}.`);
        },
        false,
      ),
  };
}
