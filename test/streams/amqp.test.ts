import net from 'node:net';
import { connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openLog } from '../../src/log.js';
import { streamOutlet } from '../../src/outlets/stream.js';
import { type AmqpOptions, amqpStream } from '../../src/streams/amqp.js';
import { type Stream, StreamFailure, type StreamMessage } from '../../src/streams/stream.js';
import { streamConformance } from '../conformance/stream.js';
import { consume } from '../support/amqp-consumer.js';
import { freePorts, noRabbitmq, startRabbitmq, type TestBroker } from '../support/rabbitmq.js';
import { waitFor } from '../support/wait-for.js';

const log = openLog('silent');
const quick = { timeout: 3000, backoff: { initial: 0.05, factor: 1.5, maximum: 0.2 } };
const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});
function streamAt(url: string, options: Partial<AmqpOptions> = {}): Stream {
  const stream = amqpStream({ url, ...quick, ...options }, log);
  open.push(stream);
  return stream;
}
async function consumeAt(...given: Parameters<typeof consume>) {
  const consumer = await consume(...given);
  open.push(consumer);
  return consumer;
}
const message = (id: string): StreamMessage => ({
  id,
  contentType: 'application/json',
  headers: {},
  body: Buffer.from(`{"id":"${id}"}`),
});

/** The failure, and how long it took. */
async function failureOf(going: Promise<void>): Promise<{ text: string; took: number }> {
  const start = Date.now();
  const error = await going.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(StreamFailure);
  const { message: text, stack, cause } = error as Error;
  expect(`${text}${stack}${JSON.stringify(cause)}`).not.toMatch(/secret|s3cret/);
  return { text, took: Date.now() - start };
}

describe('a broker that is not there', () => {
  test('nothing listens: told at once, and without the login', async () => {
    const [port = 0] = await freePorts(1);
    const stream = streamAt(`amqp://us3cret:s3cret@127.0.0.1:${port}`);
    const { text, took } = await failureOf(stream.publish('x', message('1')));
    expect(text).toContain(`amqp://127.0.0.1:${port}`);
    expect(text).toContain('ECONNREFUSED');
    expect(took).toBeLessThan(1000);
  });

  test('a host with several addresses says why, too', async () => {
    const [port = 0] = await freePorts(1);
    const { text } = await failureOf(streamAt(`amqp://localhost:${port}`).publish('x', message('1')));
    expect(text).toContain('ECONNREFUSED');
  });

  test('a host that does not exist', async () => {
    const { text } = await failureOf(
      streamAt('amqp://a:s3cret@no-such-host.invalid').publish('x', message('1')),
    );
    expect(text).toMatch(/no-such-host\.invalid/);
  });

  test.each<[string, (socket: net.Socket) => void]>([
    ['takes the connection and says nothing', () => undefined],
    ['takes the connection and closes it', (socket) => socket.end()],
    ['takes the connection and resets it', (socket) => socket.resetAndDestroy()],
    ['speaks HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
    ['speaks an older AMQP', (socket) => socket.end('AMQP\x00\x00\x09\x00')],
  ])('one that %s', async (_what, greet) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      greet(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const stream = streamAt(`amqp://a:s3cret@127.0.0.1:${port}`, { timeout: 600 });
    const { took } = await failureOf(stream.publish('x', message('1')));
    expect(took).toBeLessThan(1500);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('is not asked by everyone, but after pauses', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined).destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const backoff = { initial: 60, factor: 2, maximum: 60 };
    const stream = streamAt(`amqp://127.0.0.1:${port}`, { backoff });
    await Promise.all(Array.from({ length: 50 }, () => failureOf(stream.publish('x', message('1')))));
    await failureOf(stream.publish('x', message('2')));
    expect(connections).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });

  test('what is no URL at all', () => {
    expect(() => amqpStream({ url: 'amqp://a:s3cret@host:port' }, log)).toThrow(/^(?!.*s3cret)/);
  });
});

describe.skipIf(noRabbitmq !== null)(
  `a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    beforeAll(async () => {
      broker = await startRabbitmq();
    });
    afterAll(() => broker?.remove());

    streamConformance('amqp', () => ({
      make: () => amqpStream({ url: broker.url() }, log),
      async listen(name) {
        const { received, close } = await consume(broker.url(), name);
        return {
          close,
          received: () =>
            received.map(({ content, properties }) => ({
              id: properties.messageId as string,
              contentType: properties.contentType as string,
              headers: properties.headers as Record<string, string>,
              body: content,
            })),
        };
      },
    }));

    test('a stream is a durable fanout exchange, and its messages are persistent', async () => {
      await streamAt(broker.url()).publish('job_events', message('1'));
      const exchanges = await broker.ctl('list_exchanges', 'name', 'type', 'durable', 'auto_delete');
      expect(exchanges).toContain('streams.job_events\tfanout\ttrue\tfalse');
      const consumer = await consumeAt(broker.url(), 'job_events');
      await streamAt(broker.url()).publish('job_events', message('2'));
      await waitFor(() => consumer.received.length > 0, 'the message');
      expect(consumer.received[0]?.properties).toMatchObject({ deliveryMode: 2, messageId: '2' });
    });

    test('the outlet tells on it, and says so when it cannot', async () => {
      const consumer = await consumeAt(broker.url(), 'told');
      const event = { id: 'evt-1', contentType: 'application/json', body: '{"ü":1}', secrets: [] };
      const { signal } = new AbortController();
      const outlet = streamOutlet(streamAt(broker.url()));
      expect(await outlet.send({ ...event, url: 'stream:told' }, signal)).toEqual({
        accepted: true,
        status: null,
        error: null,
      });
      await waitFor(() => consumer.received.length > 0, 'the message');
      expect(consumer.received[0]?.content.toString()).toBe(event.body);
      expect(consumer.received[0]?.properties.messageId).toBe('evt-1');
      expect(await outlet.send({ ...event, url: 'https://told' }, signal)).toMatchObject({ accepted: false });
      const [port = 0] = await freePorts(1);
      const nowhere = streamOutlet(streamAt(`amqp://127.0.0.1:${port}`));
      const answer = await nowhere.send({ ...event, url: 'stream:told' }, signal);
      expect(answer).toMatchObject({ accepted: false, error: expect.stringContaining('ECONNREFUSED') });
      const enough = AbortSignal.abort(new Error('enough'));
      await expect(outlet.send({ ...event, url: 'stream:told' }, enough)).rejects.toThrow('enough');
      await outlet.close();
    });

    test('a wrong password is told, without it', async () => {
      const { text } = await failureOf(
        streamAt(broker.url({ username: 'guest', password: 'not s3cret' })).publish('x', message('1')),
      );
      expect(text).toMatch(/ACCESS_REFUSED/);
    });

    test('a virtual host that is not there is told', async () => {
      const { text } = await failureOf(streamAt(broker.url(undefined, 'nowhere')).publish('x', message('1')));
      expect(text).toMatch(/nowhere/);
    });

    test('names and passwords may hold anything', async () => {
      const login = { username: 'ünal@home', password: 'p:s3cret/%?#ö' };
      await broker.ctl('add_user', login.username, login.password);
      await broker.ctl('add_vhost', 'a/b');
      await broker.ctl('set_permissions', '-p', 'a/b', login.username, '.*', '.*', '.*');
      await streamAt(broker.url(login, 'a/b')).publish('x', message('1'));
    });

    test('one stream that the broker refuses leaves the others alone', async () => {
      const connection = await connect(broker.url());
      const channel = await connection.createChannel();
      await channel.assertExchange('streams.taken', 'topic', { durable: false });
      const consumer = await consumeAt(broker.url(), 'free');
      const stream = streamAt(broker.url());
      const going = Array.from({ length: 20 }, (_, index) => stream.publish('free', message(String(index))));
      const { text } = await failureOf(stream.publish('taken', message('1')));
      expect(text).toMatch(/PRECONDITION_FAILED/);
      await Promise.all(going);
      // And once nobody is in the way any more it works.
      await channel.deleteExchange('streams.taken');
      await stream.publish('taken', message('2'));
      await waitFor(() => consumer.received.length === 20, 'the others');
      await connection.close();
    });

    test('an exchange that somebody deletes is made again', async () => {
      const stream = streamAt(broker.url());
      await stream.publish('fleeting', message('1'));
      const connection = await connect(broker.url());
      await (await connection.createChannel()).deleteExchange('streams.fleeting');
      await connection.close();
      await failureOf(stream.publish('fleeting', message('2')));
      await waitFor(
        () =>
          stream.publish('fleeting', message('3')).then(
            () => true,
            () => false,
          ),
        'the exchange',
      );
    });

    test('a broker in need of memory: waits, says so, and goes on afterwards', async () => {
      const stream = streamAt(broker.url(), { timeout: 1500, inFlight: 3 });
      await stream.publish('full', message('before'));
      await broker.ctl('set_vm_memory_high_watermark', '0');
      const failures = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          failureOf(stream.publish('full', message(`blocked-${index}`))),
        ),
      );
      for (const { text, took } of failures) {
        expect(text).toMatch(/takes no messages \(low on memory\)/);
        expect(took).toBeLessThan(3000);
      }
      // Those that wait when it has room again are taken.
      const consumer = await consumeAt(broker.url(), 'full');
      const patient = streamAt(broker.url(), { timeout: 30_000 });
      const waiting = ['a', 'b', 'c'].map((id) => patient.publish('full', message(id)));
      await broker.ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
      await Promise.all(waiting);
      await stream.publish('full', message('after'));
      const ids = () => consumer.received.map(({ properties }) => properties.messageId as string);
      await waitFor(() => ids().includes('after'), 'the message afterwards');
      // What was given up before it was sent is not sent later; no more than may be on the way were sent.
      expect(ids().filter((id) => id.startsWith('blocked')).length).toBeLessThanOrEqual(3);
    });

    test('a broker that hangs is given up in time, and found again', async () => {
      const stream = streamAt(broker.url(), { timeout: 1500 });
      await stream.publish('hangs', message('before'));
      broker.freeze();
      try {
        const { text, took } = await failureOf(stream.publish('hangs', message('during')));
        expect(text).toMatch(/did not confirm/);
        expect(took).toBeLessThan(3000);
        await failureOf(stream.publish('hangs', message('during, too')));
      } finally {
        broker.thaw();
      }
      await waitFor(
        () =>
          stream.publish('hangs', message('after')).then(
            () => true,
            () => false,
          ),
        'the broker',
      );
    });

    test.each(['stop', 'kill'] as const)('a broker that is away for a while (%s)', async (how) => {
      const stream = streamAt(broker.url());
      const before = await consumeAt(broker.url(), 'away');
      await stream.publish('away', message('before'));
      await waitFor(() => before.received.length === 1, 'the first message');
      // Whatever is confirmed or refused while it goes, every caller is answered.
      const going = Promise.allSettled(
        Array.from({ length: 200 }, (_, index) => stream.publish('away', message(`going-${index}`))),
      );
      await broker[how]();
      for (const answer of await going) {
        if (answer.status === 'rejected') expect(answer.reason).toBeInstanceOf(StreamFailure);
      }
      const { text, took } = await failureOf(stream.publish('away', message('during')));
      expect(text).toMatch(/ECONNREFUSED|closed|CONNECTION_FORCED/i);
      expect(took).toBeLessThan(quick.timeout);
      await broker.start();
      const after = await consumeAt(broker.url(), 'away');
      await waitFor(
        () =>
          stream.publish('away', message('after')).then(
            () => true,
            () => false,
          ),
        'the broker',
      );
      await waitFor(() => after.received.length > 0, 'the message afterwards');
      expect(after.received.map(({ properties }) => properties.messageId as string)).toEqual(['after']);
    });
  },
);
