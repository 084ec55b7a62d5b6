import { afterEach, describe, expect, test } from 'vitest';
import type { Delivery, Stream, SubscribeOptions, Subscription } from '../../src/drivers/streams/stream.js';
import { waitFor } from '../support/wait-for.js';
import { fresh, message, type Stage } from './stream.js';

/** A subscriber that notes what it is told, and settles nothing by itself. */
interface TestReader extends Subscription {
  got: Delivery[];
  links: boolean[];
  ids(): string[];
}

export async function read(
  stream: Stream,
  on: string,
  options: Partial<SubscribeOptions> = {},
): Promise<TestReader> {
  const got: Delivery[] = [];
  const links: boolean[] = [];
  const subscription = await stream.subscribe(on, {
    queue: null,
    prefetch: 100,
    onMessage: (delivery) => void got.push(delivery),
    onLink: (linked) => void links.push(linked),
    ...options,
  });
  return { ...subscription, got, links, ids: () => got.map(({ id }) => id) };
}

const numbers = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => String(from + index));

/** What every driver of streams promises to whoever reads. */
export function readingConformance(name: string, stage: () => Stage): void {
  describe(`reading a stream ${name}`, () => {
    const open: Stream[] = [];
    afterEach(async () => {
      for (const each of open.splice(0)) await each.close();
    });
    function make(): Stream {
      const stream = stage().make();
      open.push(stream);
      return stream;
    }
    async function publish(stream: Stream, on: string, ids: readonly string[]): Promise<void> {
      await Promise.all(ids.map((id) => stream.publish(on, message(id))));
    }
    const countsBecome = (stream: Stream, on: string, queue: string, ready: number, unsettled: number) =>
      waitFor(async () => {
        const counts = await stream.counts(on, queue);
        return counts?.ready === ready && counts.unsettled === unsettled;
      }, `${ready} ready and ${unsettled} unsettled`);

    test('a message comes as it was published', async () => {
      const [stream, on] = [make(), fresh()];
      const reader = await read(stream, on);
      const sent = {
        id: 'ü',
        contentType: 'text/x',
        headers: { one: '1', zwei: 'ü' },
        body: Buffer.from([0, 255]),
      };
      await stream.publish(on, sent);
      const came = await waitFor(() => reader.got[0], 'the message');
      expect({ ...came, body: Buffer.from(came.body) }).toMatchObject({ ...sent, redelivered: false });
    });

    test('what is put into one queue is in no other', async () => {
      const [stream, on] = [make(), fresh()];
      const [one, two] = [await read(stream, on, { queue: 'one' }), await read(stream, on, { queue: 'two' })];
      const own = await read(stream, on);
      await stream.publish(on, message('a'), undefined, 'two');
      await stream.publish(on, message('b'));
      await waitFor(
        () => two.got.length === 2 && one.got.length === 1 && own.got.length === 1,
        'all of them',
      );
      expect([two.ids(), one.ids(), own.ids()]).toEqual([['a', 'b'], ['b'], ['b']]);
    });

    test('in order, once each, to every queue and every subscriber of its own', async () => {
      const [stream, on] = [make(), fresh()];
      const ack = (into: string[]) => ({
        prefetch: 20,
        onMessage(delivery: Delivery) {
          into.push(delivery.id);
          delivery.ack();
        },
      });
      const came: string[][] = [[], [], []];
      await read(stream, on, { queue: 'one', ...ack(came[0] ?? []) });
      await read(stream, on, { queue: 'two', ...ack(came[1] ?? []) });
      await read(stream, on, ack(came[2] ?? []));
      const ids = numbers(3000);
      await publish(stream, on, ids);
      for (const each of came) {
        await waitFor(() => each.length >= ids.length, 'all messages');
        expect(each).toEqual(ids);
      }
      await countsBecome(stream, on, 'one', 0, 0);
      await countsBecome(stream, on, 'two', 0, 0);
    });

    test('a queue collects while nobody reads it, from the moment on that it is there', async () => {
      const [stream, on] = [make(), fresh()];
      await stream.publish(on, message('before'));
      expect(await stream.counts(on, 'late')).toBeNull();
      await (await read(stream, on, { queue: 'late' })).close();
      await publish(stream, on, numbers(10));
      await countsBecome(stream, on, 'late', 10, 0);
      const reader = await read(stream, on, { queue: 'late' });
      await waitFor(() => reader.got.length === 10, 'what was collected');
      expect(reader.ids()).toEqual(numbers(10));
    });

    test('no more are out at once than the subscriber takes', async () => {
      const [stream, on] = [make(), fresh()];
      const reader = await read(stream, on, { queue: 'q', prefetch: 3 });
      await publish(stream, on, numbers(10));
      await countsBecome(stream, on, 'q', 7, 3);
      expect(reader.ids()).toEqual(['0', '1', '2']);
      reader.got[1]?.ack();
      await waitFor(() => reader.got.length === 4, 'one more');
      reader.got[1]?.ack();
      reader.got[1]?.giveBack();
      await countsBecome(stream, on, 'q', 6, 3);
      expect(reader.ids()).toEqual(['0', '1', '2', '3']);
    });

    test('what is given back comes again, in its old place, and says so', async () => {
      const [stream, on] = [make(), fresh()];
      const reader = await read(stream, on, { queue: 'q', prefetch: 2 });
      await publish(stream, on, numbers(4));
      await waitFor(() => reader.got.length === 2, 'the first two');
      reader.got[0]?.giveBack();
      const again = await waitFor(() => reader.got[2], 'it to come again');
      expect(again).toMatchObject({ id: '0', redelivered: true });
      expect(Buffer.from(again.body).toString()).toBe('body of 0');
      again.ack();
      reader.got[1]?.ack();
      await waitFor(() => reader.got.length === 5, 'the rest');
      expect(reader.got.slice(3).map(({ id, redelivered }) => [id, redelivered])).toEqual([
        ['2', false],
        ['3', false],
      ]);
    });

    test('what a subscriber leaves unsettled comes again to the next one, first and in order', async () => {
      const [stream, on] = [make(), fresh()];
      const first = await read(stream, on, { queue: 'q', prefetch: 5 });
      await publish(stream, on, numbers(8));
      await waitFor(() => first.got.length === 5, 'five messages');
      first.got[2]?.ack();
      await waitFor(() => first.got.length === 6, 'one more');
      await first.close();
      // Too late: it is the next one's.
      first.got[0]?.ack();
      const next = await read(stream, on, { queue: 'q' });
      await waitFor(() => next.got.length === 7, 'the others');
      expect(next.ids()).toEqual(['0', '1', '3', '4', '5', '6', '7']);
      const flags = next.got.map(({ redelivered }) => redelivered);
      expect(flags).toEqual([...Array(5).fill(true), false, false]);
      expect(first.got.length).toBe(6);
    });

    test('one reads a queue at a time; the next one begins when it leaves', async () => {
      const [stream, on] = [make(), fresh()];
      const first = await read(stream, on, { queue: 'q' });
      const second = await read(stream, on, { queue: 'q' });
      expect([first.links, second.links]).toEqual([[true], [false]]);
      await stream.publish(on, message('a'));
      await waitFor(() => first.got.length === 1, 'the message');
      await first.close();
      await waitFor(() => second.got.length === 1, 'the message to come again');
      expect(second.links).toEqual([false, true]);
      expect(second.got[0]?.redelivered).toBe(true);
    });

    test('a queue that is removed is gone with what was in it, and can be made anew', async () => {
      const [stream, on] = [make(), fresh()];
      await (await read(stream, on, { queue: 'q' })).close();
      await publish(stream, on, numbers(5));
      await countsBecome(stream, on, 'q', 5, 0);
      await stream.remove(on, 'q');
      expect(await stream.counts(on, 'q')).toBeNull();
      await stream.remove(on, 'q');
      const reader = await read(stream, on, { queue: 'q' });
      await stream.publish(on, message('new'));
      await waitFor(() => reader.got.length > 0, 'the new message');
      expect(reader.ids()).toEqual(['new']);
      await reader.close();
      await stream.remove(on, 'q');
      await stream.remove(on);
      await stream.remove(on);
    });

    // What is not kept has nothing to promise here.
    const lasting = stage().lasts ? test : () => {};
    lasting('a queue is there after the driver was closed, and says what may have been out', async () => {
      const on = fresh();
      const first = make();
      const reader = await read(first, on, { queue: 'q', prefetch: 4 });
      await read(first, on, { queue: 'other', prefetch: 1 });
      await publish(first, on, numbers(10));
      await waitFor(() => reader.got.length === 4, 'four messages');
      reader.got[0]?.ack();
      reader.got[2]?.ack();
      await waitFor(() => reader.got.length === 6, 'two more');
      await first.close();
      reader.got[1]?.ack();
      const second = make();
      await publish(second, on, numbers(5, 10));
      await countsBecome(second, on, 'q', 13, 0);
      await countsBecome(second, on, 'other', 15, 0);
      const next = await read(second, on, { queue: 'q' });
      await waitFor(() => next.got.length === 13, 'what is left');
      expect(next.ids()).toEqual(['1', ...numbers(12, 3)]);
      const flags = next.got.map(({ redelivered }) => redelivered);
      expect(flags.slice(0, 4)).toEqual([true, true, true, true]);
      expect(flags.slice(4)).toEqual(Array(9).fill(false));
    });

    test('closed is closed for readers, too', async () => {
      const [stream, on] = [make(), fresh()];
      const reader = await read(stream, on, { queue: 'q' });
      await stream.publish(on, message('a'));
      await waitFor(() => reader.got.length === 1, 'the message');
      await stream.close();
      reader.got[0]?.ack();
      await reader.close();
      await reader.close();
      await expect(read(stream, on)).rejects.toMatchObject({ kind: 'away' });
      await expect(stream.counts(on, 'q')).rejects.toMatchObject({ kind: 'away' });
      await expect(stream.remove(on, 'q')).rejects.toMatchObject({ kind: 'away' });
    });

    test('an own queue is gone when its subscriber leaves, and no bound of others is', async () => {
      const [stream, on] = [make(), fresh()];
      const follower = await read(stream, on, { prefetch: 1 });
      const other = await read(stream, on, { prefetch: 1000 });
      await publish(stream, on, numbers(500));
      await waitFor(() => other.got.length === 500, 'all messages at the other one');
      expect(follower.ids()).toEqual(['0']);
      await follower.close();
      follower.got[0]?.ack();
      await stream.publish(on, message('later'));
      await waitFor(() => other.got.length === 501, 'the later message');
      expect(follower.ids()).toEqual(['0']);
    });
  });
}
