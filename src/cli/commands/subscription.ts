import { type Command, Option } from 'commander';
import { formats } from '../../domain/jobs/event-message.js';
import { events } from '../../domain/jobs/job-state.js';
import type { Json } from '../client/client.js';
import { connect, noun, serverCommand } from '../client/connect.js';
import { Ended, exitCodes } from '../client/failure.js';
import { find, kinds, lastPart } from '../client/find.js';
import { type CliIo, harmless, print, printJson, tell } from '../terminal/io.js';
import { renderObject } from '../terminal/table.js';
import { collect, readTime } from './values.js';
import { type Options, verbsOf } from './verbs.js';

interface AddOptions extends Options {
  event?: string[];
  job?: string;
  pipeline?: string;
  format?: string;
  everyones?: boolean;
}

interface ReplayOptions extends Options {
  all?: boolean;
  since?: string;
}

/** `penstock subscription …`: webhooks for the events of jobs. */
export function registerSubscription(program: Command, io: CliIo): void {
  const subscription = noun(program, 'subscription', 'webhooks: URLs that receive the events of jobs');
  const verbs = verbsOf(subscription, io, kinds.subscription);

  serverCommand(subscription, 'add', 'POST events of jobs to a URL; prints the id and the secret')
    .argument('<url>')
    .addOption(
      // The names serve completion. The server answers a wrong one with the nearest right one.
      new Option('--event <name>', 'only this event (repeatable)').choices(events).argParser(collect),
    )
    .option('--job <uuid>', 'only events of this job')
    .option('--pipeline <pipeline>', 'only events of jobs of this pipeline, by name, id or UUID')
    .addOption(new Option('--format <format>', 'the format of the messages').choices(formats))
    .option('--everyones', "events of everyone's jobs (for admins)")
    .action((url: string, options: AddOptions, command: Command) => add(url, options, command, io));

  verbs.list('list the subscriptions, without their secrets', [
    { title: 'ID', value: (row) => row.id, right: true },
    { title: 'URL', value: (row) => row.url },
    { title: 'EVENTS', value: ({ events: names }) => (Array.isArray(names) ? names.join(',') : 'all') },
    { title: 'JOBS', value: jobsOf },
    { title: 'FORMAT', value: (row) => row.format },
    { title: 'ON', value: (row) => (row.active === false ? 'no' : 'yes') },
    { title: 'OWNER', value: (row) => row.owner },
  ]);
  verbs.show('show one subscription');

  verbs.one('secret', 'print the secret that signs its messages (for its owner)', async (found, options) => {
    const told = await found.client.object('GET', `${found.path}secret/`);
    if (options.json === true) printJson(io, told);
    else print(io, `${told.secret}`);
  });

  for (const [name, active, about] of [
    ['on', true, 'resume deliveries'],
    ['off', false, 'pause deliveries; pending ones keep waiting'],
  ] as const) {
    verbs.one(name, about, async ({ client, path, object }, options) => {
      await client.act('PATCH', path, { json: { active } });
      if (options.json === true) printJson(io, await client.object('GET', path));
      else tell(io, `Subscription ${object.id} is ${name}.`);
    });
  }

  verbs.one('ping', 'send one test message to its receiver', async ({ client, path }, options) => {
    const answer = await client.object('POST', `${path}ping/`);
    if (options.json === true) printJson(io, answer);
    else if (answer.accepted === true) tell(io, `The receiver accepted it with status ${answer.status}.`);
    else
      tell(io, `The receiver did not accept it: ${harmless(`${answer.error ?? `status ${answer.status}`}`)}`);
    if (answer.accepted !== true) throw new Ended(exitCodes.failed);
  });

  verbs
    .one<ReplayOptions>('replay', 'send dead deliveries again', async ({ client, path }, options) => {
      const { all, since } = options;
      const json = { state: all === true ? 'all' : 'dead', ...(since === undefined ? {} : { since }) };
      const answer = await client.object('POST', `${path}replay/`, { json });
      if (options.json === true) printJson(io, answer);
      else tell(io, replayed(Number(answer.replayed)));
    })
    .option('--all', 'send delivered ones again, too')
    .option('--since <time>', 'only deliveries created since then, such as 2030-01-31', readTime);

  verbs.remove('remove a subscription, with its deliveries', ({ id }) => `subscription ${id}`);
}

async function add(url: string, options: AddOptions, command: Command, io: CliIo): Promise<void> {
  const client = await connect(command, io);
  const { event, job, pipeline, format, everyones } = options;
  const made = await client.create(kinds.subscription.path, {
    url,
    events: event,
    job,
    pipeline: pipeline === undefined ? undefined : (await find(client, kinds.pipeline, pipeline)).object.id,
    format,
    everyones,
  });
  if (options.json === true) return printJson(io, made);
  print(io, renderObject({ id: made.id, secret: made.secret }));
  tell(
    io,
    `Its receiver checks signatures with the secret. To see it again: penstock subscription secret ${made.id}`,
  );
}

/** Which jobs a subscription is about. */
function jobsOf({ job, pipeline, everyones }: Json): string {
  if (job) return `job ${lastPart(job)}`;
  const whose = everyones === true ? "everyone's" : 'own';
  return pipeline ? `${whose}, of pipeline ${lastPart(pipeline)}` : whose;
}

function replayed(count: number): string {
  if (count === 0) return 'There is nothing to send again.';
  return count === 1 ? '1 delivery will be sent again.' : `${count} deliveries will be sent again.`;
}
