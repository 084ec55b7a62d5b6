import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { amqpStream } from '../../../src/drivers/streams/amqp.js';
import { StreamFailure } from '../../../src/drivers/streams/stream.js';
import { type Stage, streamConformance } from '../../conformance/stream.js';
import { readingConformance } from '../../conformance/stream-reading.js';
import { consume } from '../../support/amqp-consumer.js';
import { atPace } from '../../support/pace.js';
import { main } from '../../support/paths.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import {
  closeAfterEach,
  consumeAt,
  failureOf,
  log,
  message,
  publishInTheEnd,
  quick,
  streamAt,
} from '../../support/streams.js';
import { waitFor } from '../../support/wait-for.js';

closeAfterEach();

describe.skipIf(noRabbitmq !== null)(
  `a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    beforeAll(async () => {
      broker = await startRabbitmq();
    });
    afterAll(() => broker?.remove());

    const stage = (): Stage => ({
      make: () => amqpStream({ url: broker.url(), backoff: quick.backoff }, log),
      lasts: true,
      async listen(_driver, name) {
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
    });
    streamConformance('amqp', stage);
    readingConformance('amqp', stage);

    test('a stream is a durable fanout exchange, and its messages are persistent', async () => {
      await streamAt(broker.url()).publish('job_events', message('1'));
      const exchanges = await broker.ctl('list_exchanges', 'name', 'type', 'durable', 'auto_delete');
      expect(exchanges).toContain('streams.job_events\tfanout\ttrue\tfalse');
      const consumer = await consumeAt(broker.url(), 'job_events');
      await streamAt(broker.url()).publish('job_events', message('2'));
      await waitFor(() => consumer.received.length > 0, 'the message');
      expect(consumer.received[0]?.properties).toMatchObject({ deliveryMode: 2, messageId: '2' });
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
      await publishInTheEnd(stream, 'fleeting', '3');
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
        expect(text).toMatch(/accepts no messages \(low on memory\)/);
        expect(took).toBeLessThan(atPace(3000));
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
      await broker.freeze();
      try {
        const { text, took } = await failureOf(stream.publish('hangs', message('during')));
        expect(text).toMatch(/did not confirm/);
        expect(took).toBeLessThan(atPace(3000));
        await failureOf(stream.publish('hangs', message('during, too')));
      } finally {
        broker.thaw();
      }
      await publishInTheEnd(stream, 'hangs', 'after');
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
      expect(took).toBeLessThan(atPace(quick.timeout));
      await broker.start();
      const after = await consumeAt(broker.url(), 'away');
      await publishInTheEnd(stream, 'away', 'after');
      await waitFor(() => after.received.length > 0, 'the message afterwards');
      expect(after.received.map(({ properties }) => properties.messageId as string)).toEqual(['after']);
    });

    test('doctor tells whether it can be reached', async () => {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-doctor-'));
      async function ask(url: string): Promise<object | undefined> {
        writeFileSync(path.join(folder, 'streams.yaml'), `amqp_url: ${url}\n`);
        const args = [main, 'doctor', '--json', '--config', folder, '--data', path.join(folder, 'data')];
        const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        let out = '';
        for await (const piece of child.stdout) out += String(piece);
        return (JSON.parse(out) as { check: string }[]).find(({ check }) => check === 'message broker');
      }
      const name = `amqp://127.0.0.1:${broker.port}`;
      expect(await ask(broker.url())).toMatchObject({ state: 'ok', detail: name });
      const wrong = await ask(broker.url({ username: 'guest', password: 'not s3cret' }));
      expect(wrong).toMatchObject({ state: 'wrong', detail: expect.stringContaining('ACCESS_REFUSED') });
      expect(JSON.stringify(wrong)).not.toContain('s3cret');
      rmSync(folder, { recursive: true });
    });
  },
);
