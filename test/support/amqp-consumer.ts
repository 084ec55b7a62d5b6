import { type ConsumeMessage, connect } from 'amqplib';

/** What a consumer of a stream does with nothing of ours: a queue of its own, bound to the exchange. */
export interface Consumer {
  received: ConsumeMessage[];
  close(): Promise<void>;
}

/** Begins to consume; whatever is published from now on is received. */
export async function consume(url: string, stream: string): Promise<Consumer> {
  const connection = await connect(url);
  // The broker may be ended on purpose.
  connection.on('error', () => undefined);
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  await channel.assertExchange(`streams.${stream}`, 'fanout', { durable: true });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, `streams.${stream}`, '');
  const received: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message && received.push(message), { noAck: true });
  return { received, close: () => connection.close().catch(() => undefined) };
}
