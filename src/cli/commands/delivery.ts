import { type Command, Option } from 'commander';
import { connect, noun, serverCommand } from '../client/connect.js';
import { find, kinds, lastPart, numbered } from '../client/find.js';
import { type CliIo, print, printJson, tell } from '../terminal/io.js';
import { renderObject, renderTable, tellMore } from '../terminal/table.js';
import { readCount } from './values.js';
import type { Options } from './verbs.js';

interface ListOptions extends Options {
  state?: string;
  subscription?: string;
  job?: string;
  limit: number;
}

const base = '/api/delivery/';
const pathOf = (id: string) => numbered(base, 'delivery', id);

/** `penstock delivery …`: messages to the receivers of subscriptions. */
export function registerDelivery(program: Command, io: CliIo): void {
  const delivery = noun(program, 'delivery', 'messages that were sent to subscriptions, or wait to be sent');

  serverCommand(delivery, 'list', 'list deliveries, newest first')
    .addOption(
      new Option('--state <state>', 'only deliveries in this state').choices([
        'pending',
        'delivered',
        'dead',
      ]),
    )
    .option('--subscription <subscription>', 'only deliveries to this subscription, by id or URL')
    .option('--job <uuid>', 'only deliveries about this job')
    .option('--limit <number>', 'how many to list at most', readCount, 20)
    .action((options: ListOptions, command: Command) => list(options, command, io));

  serverCommand(delivery, 'show', 'show one delivery')
    .argument('<id>')
    .action(async (id: string, options: Options, command: Command) => {
      const object = await (await connect(command, io)).object('GET', pathOf(id));
      if (options.json === true) printJson(io, object);
      else print(io, renderObject(object));
    });

  serverCommand(delivery, 'replay', 'send a dead or delivered delivery again')
    .argument('<id>')
    .action(async (id: string, options: Options, command: Command) => {
      const answer = await (await connect(command, io)).object('POST', `${pathOf(id)}replay/`);
      if (options.json === true) printJson(io, answer);
      else tell(io, `Delivery ${lastPart(pathOf(id))} will be sent again.`);
    });
}

async function list(options: ListOptions, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const { state, subscription, job, limit } = options;
  const of = subscription === undefined ? undefined : await find(client, kinds.subscription, subscription);
  const query = {
    state,
    subscription: of === undefined ? undefined : String(of.object.id),
    job,
    order_by: '-created',
  };
  const { objects, total } = await client.list(base, query, limit);
  if (options.json === true) return printJson(io, objects);
  print(
    io,
    renderTable(objects, [
      { title: 'ID', value: (row) => row.id, right: true },
      { title: 'STATE', value: (row) => row.state },
      { title: 'EVENT', value: (row) => row.event_name },
      { title: 'JOB', value: (row) => lastPart(row.job) },
      { title: 'SUBSCRIPTION', value: (row) => lastPart(row.subscription), right: true },
      { title: 'ATTEMPTS', value: (row) => row.attempts, right: true },
      { title: 'STATUS', value: (row) => row.status, right: true },
      { title: 'CREATED', value: (row) => row.created },
      { title: 'ERROR', value: (row) => row.error },
    ]),
  );
  tellMore(io, objects.length, total);
}
