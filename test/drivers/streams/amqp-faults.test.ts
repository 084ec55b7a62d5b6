import { type ChannelModel, connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exchangeOf } from '../../../src/drivers/streams/connection.js';
import type { Delivery, Stream } from '../../../src/drivers/streams/stream.js';
import { fresh, message } from '../../conformance/stream.js';
import { read } from '../../conformance/stream-reading.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import { closeAfterEach, failureOf, publishInTheEnd, streamAt } from '../../support/streams.js';
import { waitFor } from '../../support/wait-for.js';

closeAfterEach();

describe.skipIf(noRabbitmq !== null)(
  `reading from a RabbitMQ in trouble${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    let plain: ChannelModel;
    beforeAll(async () => {
      broker = await startRabbitmq();
    });
    afterAll(() => broker?.remove());
    beforeEach(async () => {
      plain = await connect(broker.url());
      plain.on('error', () => undefined);
    });
    afterEach(() => plain.close().catch(() => undefined));

    /** A reader with two messages out, the first of which is settled. */
    async function reading(stream: Stream, on: string) {
      const reader = await read(stream, on, { queue: 'q', prefetch: 2 });
      for (const id of ['a', 'b', 'c']) await stream.publish(on, message(id));
      await waitFor(() => reader.got.length === 2, 'two messages');
      reader.got[0]?.ack();
      await waitFor(() => reader.got.length === 3, 'the third');
      return reader;
    }

    async function comesBack(
      reader: Awaited<ReturnType<typeof reading>>,
      ids: string[],
      redelivered: boolean,
    ) {
      await waitFor(() => reader.got.length === 3 + ids.length, 'the messages to come again');
      expect(reader.links).toEqual([true, false, true]);
      // Of the way that is lost: they do nothing, and harm nothing.
      for (const old of reader.got.slice(0, 3)) {
        old.ack();
        old.giveBack();
      }
      const again = reader.got.slice(3);
      expect(again.map((each) => [each.id, each.redelivered])).toEqual(ids.map((id) => [id, redelivered]));
    }

    test('a connection that the broker ends is made again, and what was out comes again', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const reader = await reading(stream, on);
      await broker.ctl('close_all_connections', 'testing');
      await comesBack(reader, ['b', 'c'], true);
      for (const each of reader.got.slice(3)) each.ack();
      await waitFor(async () => (await stream.counts(on, 'q'))?.unsettled === 0, 'them to be settled');
      await publishInTheEnd(stream, on, 'd');
      await waitFor(() => reader.got.at(-1)?.id === 'd', 'the next message');
    });

    test('a queue that somebody deletes is made again', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const reader = await reading(stream, on);
      await (await plain.createChannel()).deleteQueue(`streams.${on}.q`);
      await waitFor(() => reader.links.length === 3, 'the queue to be read again');
      await stream.publish(on, message('d'));
      await comesBack(reader, ['d'], false);
    });

    test('a broker that is killed and started: what was out and what waited comes', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const reader = await reading(stream, on);
      const follower = await read(stream, on);
      await broker.kill();
      await waitFor(() => reader.links.at(-1) === false, 'the loss to be noticed');
      await expect(stream.counts(on, 'q')).rejects.toMatchObject({ kind: 'away' });
      await broker.start();
      // What was settled shortly before it was killed it may not have known.
      const again = () => reader.got.slice(3);
      await waitFor(() => {
        for (const each of again()) each.ack();
        return ['b', 'c'].every((id) => again().some((each) => each.id === id));
      }, 'what was out to come again');
      expect(again().filter(({ redelivered }) => !redelivered)).toEqual([]);
      await waitFor(() => follower.links.length === 3, 'the follower to read again');
      await publishInTheEnd(stream, on, 'd');
      await waitFor(() => follower.ids().includes('d'), 'the next message at the follower');
    });

    test('a broker that hangs is given up, and read again when it goes on', async () => {
      const [stream, on] = [streamAt(broker.url(), { heartbeat: 1 }), fresh()];
      const reader = await reading(stream, on);
      await broker.freeze();
      await waitFor(() => reader.links.at(-1) === false, 'the silence to be noticed');
      broker.thaw();
      await waitFor(() => reader.got.length === 5, 'the messages to come again');
      expect(reader.got.slice(3).map(({ id, redelivered }) => [id, redelivered])).toEqual([
        ['b', true],
        ['c', true],
      ]);
    });

    /** Somebody deletes the exchange of a stream, and may make it again with a queue of their own. */
    async function deleteExchange(on: string, more: 'nothing' | 'exchange' | 'queue'): Promise<void> {
      const channel = await plain.createChannel();
      await channel.deleteExchange(exchangeOf(on));
      if (more !== 'nothing') await channel.assertExchange(exchangeOf(on), 'fanout', { durable: true });
      if (more === 'queue') {
        const { queue } = await channel.assertQueue('', { exclusive: true });
        await channel.bindQueue(queue, exchangeOf(on), '');
      }
      await channel.close();
    }

    test.each([
      'nothing',
      'exchange',
    ] as const)('an exchange that somebody deletes (and leaves %s): what is confirmed from then on reaches all that must have it', async (left) => {
      // Nothing but publishing itself restores the bindings here.
      const [stream, on] = [streamAt(broker.url(), { rebind: 3_600_000 }), fresh()];
      const reader = await read(stream, on, { queue: 'read', prefetch: 100 });
      const follower = await read(stream, on, { queue: null, prefetch: 100 });
      const absent = await read(stream, on, { queue: 'unread', prefetch: 1 });
      await absent.close();
      await stream.publish(on, message('before'));
      await waitFor(() => reader.got.length === 1 && follower.got.length === 1, 'the message before');
      await deleteExchange(on, left);
      const confirmed: string[] = [];
      await waitFor(async () => {
        const id = `after ${confirmed.length}`;
        await stream.publish(on, message(id)).then(
          () => confirmed.push(id),
          () => undefined,
        );
        return confirmed.length === 5;
      }, 'five confirmed messages');
      for (const { got } of [reader, follower]) {
        const ids = () => got.map(({ id }) => id);
        await waitFor(() => confirmed.every((id) => ids().includes(id)), 'what was confirmed');
      }
      for (const each of reader.got) each.ack();
      expect((await stream.counts(on, 'unread'))?.ready).toBeGreaterThanOrEqual(6);
    });

    test('an exchange that is made again with a queue of somebody else: readers bind their own again', async () => {
      const [stream, on] = [streamAt(broker.url(), { rebind: 100 }), fresh()];
      const reader = await read(stream, on, { queue: 'q', prefetch: 1000 });
      const follower = await read(stream, on, { queue: null, prefetch: 1000 });
      await stream.publish(on, message('before'));
      await deleteExchange(on, 'queue');
      for (const { got } of [reader, follower])
        await waitFor(async () => {
          await stream.publish(on, message('after')).catch(() => undefined);
          return got.some(({ id }) => id === 'after');
        }, 'a message at each of them');
    });

    test('a message for one queue that is not there is refused; one that nobody wants is not', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      await stream.publish(on, message('a'));
      const { text } = await failureOf(stream.publish(on, message('b'), undefined, 'no such queue'));
      expect(text).toContain('the queue no such queue of the stream');
      const reader = await read(stream, on, { queue: 'q', prefetch: 1 });
      await reader.close();
      await stream.publish(on, message('c'), undefined, 'q');
      expect((await stream.counts(on, 'q'))?.ready).toBe(1);
      await stream.remove(on, 'q');
      await failureOf(stream.publish(on, message('d'), undefined, 'q'));
      await stream.publish(on, message('e'));
      expect(await stream.counts(on, 'q')).toBe(null);
    });

    test('who subscribes while the broker is away gets what comes later', async () => {
      await broker.stop();
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const reader = await read(stream, on, { queue: 'q' });
      expect(reader.links).toEqual([false]);
      await broker.start();
      await waitFor(() => reader.links.at(-1) === true, 'the queue to be there');
      await publishInTheEnd(stream, on, 'a');
      await waitFor(() => reader.got.length > 0, 'the message');
    });

    test('what is asked for when the broker is back is done at once, however long the pause after its loss', async () => {
      const hour = 3600;
      const backoff = { initial: hour, factor: 1, maximum: hour };
      const [stream, on] = [streamAt(broker.url(), { backoff }), fresh()];
      await broker.stop();
      await expect(stream.remove(on)).rejects.toMatchObject({ kind: 'away' });
      await broker.start();
      await expect(stream.counts(on, 'q')).rejects.toMatchObject({ kind: 'away' });
      expect((await read(stream, on, { queue: 'q' })).links).toEqual([true]);
      await broker.stop();
      await expect(stream.counts(on, 'q')).rejects.toMatchObject({ kind: 'away' });
      await broker.start();
      await stream.remove(on, 'q');
    });

    test('a broker in need of memory takes nothing, and lets go of what is settled', async () => {
      const [stream, on] = [streamAt(broker.url(), { timeout: 1000 }), fresh()];
      const reader = await read(stream, on, { queue: 'q' });
      for (const id of ['a', 'b', 'c']) await stream.publish(on, message(id));
      await waitFor(() => reader.got.length === 3, 'the messages');
      await broker.ctl('set_vm_memory_high_watermark', '0');
      await expect(stream.publish(on, message('d'))).rejects.toMatchObject({ kind: 'away' });
      for (const each of reader.got) each.ack();
      const settled = async () => {
        const queues = await broker.ctl('list_queues', 'name', 'messages');
        return queues.split('\n').includes(`streams.${on}.q\t0`);
      };
      await waitFor(settled, 'the queue to be empty');
      await broker.ctl('set_vm_memory_high_watermark', 'absolute', '1GB');
    });

    test('messages of other programs, whatever they leave out, and headers of every kind', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const reader = await read(stream, on, { queue: 'q' });
      const channel = await plain.createChannel();
      channel.publish(`streams.${on}`, '', Buffer.from('bare'));
      const headers = {
        text: 'ü',
        number: 5,
        half: 0.5,
        yes: true,
        nothing: null,
        list: [1, 'a'],
        table: { a: 1 },
        bytes: Buffer.from('b'),
        when: { '!': 'timestamp', value: 0 },
      };
      channel.publish(`streams.${on}`, '', Buffer.from('full'), { headers, messageId: '7' });
      await waitFor(() => reader.got.length === 2, 'both messages');
      expect(reader.got[0]).toMatchObject({ id: '', contentType: 'application/octet-stream', headers: {} });
      expect(reader.got[1]?.headers).toEqual({
        text: 'ü',
        number: '5',
        half: '0.5',
        yes: 'true',
        nothing: '',
        list: '[1,"a"]',
        table: '{"a":1}',
        bytes: 'b',
        when: '1970-01-01T00:00:00.000Z',
      });
    });

    test("a queue that the broker's policy bounds refuses what is too much", async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      await (await read(stream, on, { queue: 'q' })).close();
      const policy = '{"max-length":2,"overflow":"reject-publish"}';
      await broker.ctl('set_policy', 'bound', `^streams\\.${on}\\.`, policy, '--apply-to', 'queues');
      const full = () =>
        stream.publish(on, message('x')).then(
          () => null,
          (error: unknown) => error,
        );
      expect(await waitFor(full, 'the queue to be full')).toMatchObject({ kind: 'full' });
    });

    test('20,000 messages while the broker is stopped and started: none is lost, and all are in order', async () => {
      const [stream, on] = [streamAt(broker.url()), fresh()];
      const count = 20_000;
      const came: Pick<Delivery, 'id' | 'redelivered'>[] = [];
      await stream.subscribe(on, {
        queue: 'q',
        prefetch: 200,
        onMessage({ id, redelivered, ack }) {
          came.push({ id, redelivered });
          ack();
        },
      });
      let next = 0;
      const again = new Set<number>();
      const publishAll = async () => {
        while (next < count) {
          const ids = Array.from({ length: Math.min(100, count - next) }, (_, index) => next + index);
          const answers = await Promise.allSettled(ids.map((id) => stream.publish(on, message(String(id)))));
          const failed = answers.findIndex(({ status }) => status === 'rejected');
          if (failed < 0) next += ids.length;
          else {
            for (const id of ids.slice(failed)) again.add(id);
            next += failed;
            await waitFor(() => stream.counts(on, 'q').catch(() => null), 'the broker');
          }
        }
      };
      const publishing = publishAll();
      await waitFor(() => came.length > 5000, 'the flow');
      await broker.stop();
      expect(next).toBeLessThan(count);
      await broker.start();
      await publishing;
      await waitFor(() => came.some(({ id }) => id === String(count - 1)), 'the last message', 40_000);
      await waitFor(async () => (await stream.counts(on, 'q'))?.ready === 0, 'the queue to be empty');
      const seen = new Set<string>();
      const first = came.filter(({ id }) => !seen.has(id) && seen.add(id)).map(({ id }) => Number(id));
      expect(seen.size).toBe(count);
      expect(first.filter((id) => !again.has(id))).toEqual(
        Array.from({ length: count }, (_, id) => id).filter((id) => !again.has(id)),
      );
      const told = new Map<string, number>();
      for (const { id, redelivered } of came) if (!redelivered) told.set(id, (told.get(id) ?? 0) + 1);
      // Twice without saying so came only what was published twice.
      expect([...told].filter(([id, times]) => times > 1 && !again.has(Number(id)))).toEqual([]);
    });
  },
);
