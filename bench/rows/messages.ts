import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  boundQueue,
  plainConsumer,
  publishAll,
  type RabbitMq,
  startRabbitMq,
  takeAll,
  withChannel,
} from '../peers/rabbitmq.js';
import { measured } from '../support/figures.js';
import { type Penstock, withPenstock } from '../support/penstock.js';
import { atLeastTimes, type Context, type Figures, type Row } from '../support/row.js';
import { run } from '../support/started.js';
import { waitFor } from '../support/wait-for.js';

const counts = (context: Context) =>
  context.quick ? { service: 4000, single: 200 } : { service: 40_000, single: 3000 };
const bodies = (count: number) => Array.from({ length: count }, (_, index) => `message ${index} of many`);
const answers = (count: number) => bodies(count).map((body) => body.toUpperCase());
const tr = { exec: 'tr', argv: ['a-z', 'A-Z'] };
/** Jobs of one operation at once. */
const concurrency = 8;

function compare(what: string, came: readonly string[], count: number): void {
  const wrong = answers(count).findIndex((body, index) => body !== came[index]);
  if (wrong >= 0 || came.length !== count) {
    throw new Error(`${what}: ${came.length} of ${count} results, and number ${wrong} is '${came[wrong]}'.`);
  }
}

/** A `tr` for each line, in order, in a shell loop. */
async function loop(context: Context): Promise<number> {
  const { single } = counts(context);
  const input = path.join(context.folder('loop'), 'lines');
  writeFileSync(
    input,
    bodies(single)
      .map((body) => `${body}\n`)
      .join(''),
  );
  const script = `while IFS= read -r line; do printf '%s\\n' "$line" | tr a-z A-Z; done < ${input}`;
  const begin = performance.now();
  const output = await run('/bin/sh', ['-c', script]);
  const rate = single / ((performance.now() - begin) / 1000);
  compare('the loop', output.split('\n').slice(0, -1), single);
  return rate;
}

async function consumer(context: Context): Promise<number> {
  const { service } = counts(context);
  const broker = await startRabbitMq(context);
  try {
    return await withChannel(broker.url, async (channel) => {
      await boundQueue(channel, 'in', 'in');
      await boundQueue(channel, 'out', 'out');
      await publishAll(channel, 'in', bodies(service));
      const rate = await plainConsumer(broker.url, 'in', 'out', service);
      compare('the consumer', await takeAll(channel, 'out', service), service);
      return rate;
    });
  } finally {
    await broker.stop();
  }
}

async function peer(context: Context): Promise<Figures> {
  return { consumer: await measured(() => consumer(context)), loop: await measured(() => loop(context)) };
}

interface Case {
  type: 'memory' | 'amqp';
  mode: 'service' | 'single';
  count: number;
}

async function post(server: Penstock, path: string, body: object): Promise<string> {
  const answer = await server.client.send('POST', path, JSON.stringify(body));
  if (answer.status > 201) throw new Error(`POST ${path}: ${answer.status} ${answer.body}`);
  return new URL(answer.headers.location ?? '', server.url).pathname;
}

/** From the start of the operation, with all messages waiting in the queue, to its last result. */
async function through(
  server: Penstock,
  broker: RabbitMq | null,
  { type, mode, count }: Case,
): Promise<number> {
  const name = `${type}-${mode}`;
  const [input, output] = [`in-${name}`, `out-${name}`];
  const more = type === 'memory' ? { max_messages: 100_000 } : {};
  for (const stream of [input, output]) await post(server, '/api/stream/', { name: stream, type, ...more });
  const definition = (await server.register({ ...tr, process_type: mode })).replace(/run\/$/, '');
  const operation = await post(server, '/api/operation/', {
    name,
    process_definition: definition,
    input_stream: input,
    output_stream: output,
    active: false,
    ...(mode === 'single' ? { concurrency } : {}),
  });
  // A stream that nobody reads drops messages, so add a queue for the results here too.
  await post(server, '/api/operation/', {
    name: `${name} results`,
    process_definition: definition,
    input_stream: output,
    active: false,
  });
  if (broker !== null) {
    await withChannel(broker.url, async (channel) => {
      await boundQueue(channel, `streams.${output}`, output);
      await publishAll(channel, `streams.${input}`, bodies(count));
    });
  } else {
    const text = bodies(count)
      .map((body) => `${body}\n`)
      .join('');
    const answer = await server.client.send(
      'POST',
      `/api/stream/${input}/messages/?framing=line`,
      text,
      'text/plain',
    );
    if (answer.status !== 201) throw new Error(`Publishing: ${answer.status} ${answer.body}`);
  }
  const begin = performance.now();
  await post(server, `${operation}start/`, {});
  const seen = () =>
    server.client.json<{ counts: { published: number; dead: number; redelivered: number } }>(operation);
  await waitFor(
    'all results',
    async () => ((await seen()).counts.published >= count ? true : undefined),
    300_000,
    10,
  );
  const rate = count / ((performance.now() - begin) / 1000);
  const { counts: now } = await seen();
  if (now.published !== count || now.dead > 0) throw new Error(`${name}: ${JSON.stringify(now)}`);
  if (broker !== null) {
    const came = await withChannel(broker.url, (channel) => takeAll(channel, output, count));
    compare(name, came, count);
  }
  return rate;
}

async function ours(context: Context): Promise<Figures> {
  const { service, single } = counts(context);
  const folder = context.folder('messages');
  const memory = await withPenstock(folder, async (server) => ({
    'service memory': await through(server, null, { type: 'memory', mode: 'service', count: service }),
    'single memory': await through(server, null, { type: 'memory', mode: 'single', count: single }),
  }));
  const amqp = async (): Promise<Record<'service' | 'single', number>> => {
    const broker = await startRabbitMq(context);
    const config = path.join(context.folder('messages-config'), 'config');
    mkdirSync(config);
    writeFileSync(path.join(config, 'streams.yaml'), `amqp_url: ${broker.url}\njob_events: null\n`);
    try {
      return await withPenstock(
        context.folder('messages-amqp'),
        async (server) => ({
          service: await through(server, broker, { type: 'amqp', mode: 'service', count: service }),
          single: await through(server, broker, { type: 'amqp', mode: 'single', count: single }),
        }),
        ['--config', config],
      );
    } finally {
      await broker.stop();
    }
  };
  let figures: Awaited<ReturnType<typeof amqp>> | undefined;
  const both = async (mode: 'service' | 'single') => {
    figures ??= await amqp();
    return figures[mode];
  };
  return {
    ...memory,
    'service amqp': await measured(() => both('service')),
    'single amqp': await measured(() => both('single')),
  };
}

const service = 'messages through one `tr`, each result safe before its message is acknowledged';
const single = `messages with a job each, ${concurrency} at once, results in order`;
const consumerPeer = { name: 'amqplib, one `tr`, prefetch 200, confirms, on RabbitMQ', figure: 'consumer' };
const loopPeer = { name: 'the shell: a `tr` for each line, nothing durable', figure: 'loop' };

/** An operation that works through its queue. */
export const messages: Row = {
  name: 'messages',
  target: 'at least half of what a plain consumer does on RabbitMQ',
  lines: () => [
    {
      work: `${service}: RabbitMQ`,
      unit: '/s',
      peer: consumerPeer,
      ours: 'service amqp',
      goal: atLeastTimes(0.5),
    },
    { work: `${service}: memory, durable`, unit: '/s', peer: consumerPeer, ours: 'service memory' },
    { work: `${single}: RabbitMQ`, unit: '/s', peer: loopPeer, ours: 'single amqp' },
    { work: `${single}: memory, durable`, unit: '/s', peer: loopPeer, ours: 'single memory' },
  ],
  peer,
  ours,
};
