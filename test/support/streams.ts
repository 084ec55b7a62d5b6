import { afterEach, expect } from 'vitest';
import { type AmqpOptions, amqpStream } from '../../src/drivers/streams/amqp.js';
import {
  type Publisher,
  type Stream,
  StreamFailure,
  type StreamMessage,
} from '../../src/drivers/streams/stream.js';
import { openLog } from '../../src/lib/log.js';
import { type Consumer, consume } from './amqp-consumer.js';
import { waitFor } from './wait-for.js';

/** Options with which a test need not wait long. */
export const quick = { timeout: 3000, backoff: { initial: 0.05, factor: 1.5, maximum: 0.2 } };
export const log = openLog('silent');

const open: { close(): Promise<void> }[] = [];

/** Closes after each test what the test opened here. */
export function closeAfterEach(): void {
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
}

export function streamAt(url: string, options: Partial<AmqpOptions> = {}): Stream {
  const stream = amqpStream({ url, ...quick, ...options }, log);
  open.push(stream);
  return stream;
}

export async function consumeAt(url: string, stream: string): Promise<Consumer> {
  const consumer = await consume(url, stream);
  open.push(consumer);
  return consumer;
}

export const message = (id: string): StreamMessage => ({
  id,
  contentType: 'application/json',
  headers: {},
  body: Buffer.from(`{"id":"${id}"}`),
});

/** Publishes until the broker takes it, as whoever keeps the message does. */
export async function publishInTheEnd(stream: Publisher, name: string, id: string): Promise<void> {
  const once = () =>
    stream.publish(name, message(id)).then(
      () => true,
      () => false,
    );
  await waitFor(once, `${id} to be taken`);
}

/** The failure and how long it took. Whatever it is, it does not tell a password that has "s3cret" in it. */
export async function failureOf(going: Promise<void>): Promise<{ text: string; took: number }> {
  const start = Date.now();
  const error = await going.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StreamFailure);
  const { message: text, stack, cause } = error as Error;
  expect(`${text}${stack}${JSON.stringify(cause)}`).not.toContain('s3cret');
  return { text, took: Date.now() - start };
}
