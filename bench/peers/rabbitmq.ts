import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ConfirmChannel, connect } from 'amqplib';
import { needPeer, which } from '../support/packages.js';
import type { Context } from '../support/row.js';
import { type Started, start } from '../support/started.js';
import { freePort, waitFor } from '../support/wait-for.js';

/** The script itself: Debian's wrapper in /usr/sbin changes to a user and a folder of its own. */
const server = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** A running RabbitMQ on 127.0.0.1. */
export interface RabbitMq {
  url: string;
  stop(): Promise<void>;
}

/** Starts a RabbitMQ of its own, on a temporary folder. */
export async function startRabbitMq(context: Context): Promise<RabbitMq> {
  needPeer(context, 'rabbitmq');
  const folder = context.folder('rabbitmq');
  mkdirSync(path.join(folder, 'mnesia'));
  const [port, distribution, names] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(path.join(folder, 'rabbitmq.conf'), 'disk_free_limit.absolute = 1MB\n');
  writeFileSync(path.join(folder, 'plugins'), '[].\n');
  const env = {
    HOME: folder,
    ERL_EPMD_PORT: String(names),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_NODENAME: `bench-${process.pid}-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: path.join(folder, 'mnesia'),
    RABBITMQ_LOG_BASE: path.join(folder, 'log'),
    RABBITMQ_PID_FILE: path.join(folder, 'pid'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: path.join(folder, 'rabbitmq'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(folder, 'plugins'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
    // Makes the script become the broker instead of waiting for it.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
  const parts: Started[] = [
    start(which('epmd') ?? 'epmd', ['-port', String(names), '-address', '127.0.0.1'], {
      cwd: folder,
      env,
      logFile: path.join(folder, 'epmd.log'),
    }),
    start(server, [], { cwd: folder, env, logFile: path.join(folder, 'rabbitmq.log') }),
  ];
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  const there = () => {
    if (parts.some((part) => part.ended())) throw new Error(`RabbitMQ ended.\n${parts.at(-1)?.log()}`);
    return connect(url).then(
      (connection) => connection.close().then(() => true as const),
      () => undefined,
    );
  };
  await waitFor('RabbitMQ', there, 60_000, 200);
  return {
    url,
    async stop() {
      for (const part of parts.reverse()) await part.stop();
    },
  };
}

/** Does something with a new client. */
export async function withChannel<T>(url: string, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(url);
  try {
    return await work(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

/** Makes a durable queue that gets everything published on a fanout exchange. */
export async function boundQueue(channel: ConfirmChannel, exchange: string, queue: string): Promise<void> {
  await channel.assertExchange(exchange, 'fanout', { durable: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, exchange, '');
}

/** Publishes persistent messages, and returns when the broker has them all. */
export async function publishAll(
  channel: ConfirmChannel,
  exchange: string,
  bodies: readonly string[],
): Promise<void> {
  for (const [index, body] of bodies.entries()) {
    channel.publish(exchange, '', Buffer.from(body), { persistent: true, messageId: String(index) });
    if (index % 1000 === 999) await channel.waitForConfirms();
  }
  await channel.waitForConfirms();
}

/** Takes messages from a queue, and returns their bodies. */
export async function takeAll(channel: ConfirmChannel, queue: string, count: number): Promise<string[]> {
  const bodies: string[] = [];
  const done = new Promise<void>((resolve) => {
    void channel.consume(
      queue,
      (message) => {
        bodies.push(message?.content.toString() ?? '');
        if (bodies.length === count) resolve();
      },
      { noAck: true },
    );
  });
  await done;
  return bodies;
}

/**
 * A typical consumer: sends each message to one `tr` as a line, publishes each line that comes back, and acknowledges
 * the message once that is confirmed.
 *
 * @returns messages per second
 */
export function plainConsumer(url: string, from: string, to: string, count: number): Promise<number> {
  return withChannel(url, async (channel) => {
    await channel.prefetch(200);
    const program = spawn('stdbuf', ['-oL', 'tr', 'a-z', 'A-Z'], { stdio: ['pipe', 'pipe', 'inherit'] });
    const given: Parameters<ConfirmChannel['ack']>[0][] = [];
    let rest = '';
    let safe = 0;
    const begin = performance.now();
    await new Promise<void>((resolve, reject) => {
      program.on('error', reject);
      program.stdout.on('data', (piece: Buffer) => {
        const lines = (rest + piece.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const message = given.shift();
          if (message === undefined) continue;
          const { messageId } = message.properties;
          channel.publish(to, '', Buffer.from(line), { persistent: true, messageId }, (error) => {
            if (error) return reject(error);
            channel.ack(message);
            safe += 1;
            if (safe === count) resolve();
          });
        }
      });
      void channel.consume(from, (message) => {
        if (message === null) return;
        given.push(message);
        program.stdin.write(`${message.content}\n`);
      });
    });
    const seconds = (performance.now() - begin) / 1000;
    program.stdin.end();
    return count / seconds;
  });
}
