import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type Stream, StreamFailure, type StreamMessage } from '../../src/drivers/streams/stream.js';
import { waitFor } from '../support/wait-for.js';

/** What a suite needs of a driver: streams, and a way to see what is on them. */
export interface Stage {
  /** The driver on one and the same broker or file each time. */
  make(): Stream;
  /** Everything that is published from now on, as it came; where it can be, not by the driver's own means. */
  listen(driver: Stream, stream: string): Promise<{ received(): StreamMessage[]; close(): Promise<void> }>;
  /** Whether queues that last are there again after the driver was closed. */
  lasts: boolean;
}

let names = 0;
/** A name that no other test has used. */
export function fresh(): string {
  names += 1;
  return `conformance_${names}`;
}

export const message = (id: string, body: string | Buffer = `body of ${id}`): StreamMessage => ({
  id,
  contentType: 'application/json',
  headers: {},
  body: Buffer.from(body),
});

/** What every driver of streams promises to whoever publishes. */
export function streamConformance(name: string, stage: () => Stage): void {
  describe(`stream ${name}`, () => {
    const open: { close(): Promise<void> }[] = [];
    afterEach(async () => {
      for (const each of open.splice(0)) await each.close();
    });
    function make(): Stream {
      const stream = stage().make();
      open.push(stream);
      return stream;
    }
    async function listen(stream: Stream, on: string) {
      const listener = await stage().listen(stream, on);
      open.push(listener);
      return listener;
    }

    test.each<[string, StreamMessage]>([
      ['text', message('a')],
      ['nothing', message('b', '')],
      ['1 MiB of anything', message('c', randomBytes(2 ** 20))],
      [
        'headers and another type',
        { ...message('d'), contentType: 'text/plain', headers: { one: '1', zwei: 'ü' } },
      ],
    ])('%s arrives as it was published', async (_what, sent) => {
      const on = fresh();
      const stream = make();
      const listener = await listen(stream, on);
      await stream.publish(on, sent);
      const came = await waitFor(() => listener.received()[0], 'the message');
      expect(came).toMatchObject({ id: sent.id, contentType: sent.contentType, headers: sent.headers });
      expect(Buffer.from(came.body).equals(sent.body)).toBe(true);
    });

    test('every message arrives once at everyone who listens, and on no other stream', async () => {
      const [on, other] = [fresh(), fresh()];
      const stream = make();
      const listeners = [await listen(stream, on), await listen(stream, on)];
      const elsewhere = await listen(stream, other);
      const ids = Array.from({ length: 1000 }, (_, index) => `message-${index}`);
      await Promise.all(ids.map((id) => stream.publish(on, message(id))));
      await stream.publish(other, message('elsewhere'));
      for (const { received } of listeners) {
        await waitFor(() => received().length >= ids.length, 'all messages');
        // Also those that are on their way together come in the order of the calls.
        expect(received().map(({ id }) => id)).toEqual(ids);
      }
      await waitFor(() => elsewhere.received().length > 0, 'the other message');
      expect(elsewhere.received().map(({ id }) => id)).toEqual(['elsewhere']);
    });

    test('one after the other arrives in order', async () => {
      const on = fresh();
      const stream = make();
      const listener = await listen(stream, on);
      const ids = Array.from({ length: 50 }, (_, index) => String(index));
      for (const id of ids) await stream.publish(on, message(id));
      await waitFor(() => listener.received().length >= ids.length, 'all messages');
      expect(listener.received().map(({ id }) => id)).toEqual(ids);
    });

    test('nobody needs to listen', async () => {
      await make().publish(fresh(), message('alone'));
    });

    test('a signal ends it, before or while it goes on', async () => {
      const stream = make();
      const early = AbortSignal.abort(new Error('enough'));
      await expect(stream.publish(fresh(), message('never'), early)).rejects.toThrow('enough');
      const control = new AbortController();
      const going = stream.publish(fresh(), message('perhaps'), control.signal);
      control.abort(new Error('enough now'));
      await expect(going).rejects.toThrow('enough now');
      await stream.publish(fresh(), message('others'));
    });

    test('closed is closed, also twice', async () => {
      const stream = make();
      const on = fresh();
      await stream.publish(on, message('first'));
      await stream.close();
      await stream.close();
      await expect(stream.publish(on, message('late'))).rejects.toBeInstanceOf(StreamFailure);
      const unused = make();
      await unused.close();
    });

    test('what is on its way when it is closed arrives', async () => {
      const on = fresh();
      const stream = make();
      const listener = await listen(stream, on);
      await stream.publish(on, message('opens'));
      const going = Array.from({ length: 20 }, (_, index) => stream.publish(on, message(String(index))));
      await stream.close();
      await Promise.all(going);
      await waitFor(() => listener.received().length === 21, 'all messages');
    });
  });
}
