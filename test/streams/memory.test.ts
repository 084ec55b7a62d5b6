import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { memoryStream } from '../../src/streams/memory.js';
import type { Stream, StreamMessage } from '../../src/streams/stream.js';
import { fresh, message, type Stage, streamConformance } from '../conformance/stream.js';
import { read, readingConformance } from '../conformance/stream-reading.js';
import { waitFor } from '../support/wait-for.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

const make = (file: string, durable: boolean, maxMessages = 10_000, maxBytes = 2 ** 28) =>
  memoryStream({ file: path.join(folder, file), maxBytes, settings: () => ({ durable, maxMessages }) });

async function listen(driver: Stream, on: string) {
  const came: StreamMessage[] = [];
  const { close } = await driver.subscribe(on, {
    queue: null,
    prefetch: 10,
    onMessage(delivery) {
      came.push(delivery);
      delivery.ack();
    },
  });
  return { close, received: () => came };
}

const fleeting: Stage = { make: () => make('unused.sqlite', false), listen, lasts: false };
const durable: Stage = { make: () => make('durable.sqlite', true), listen, lasts: true };
streamConformance('memory', () => fleeting);
readingConformance('memory', () => fleeting);
streamConformance('memory, durable', () => durable);
readingConformance('memory, durable', () => durable);

describe.each([false, true])('a bounded queue, durable: %s', (isDurable) => {
  test('refuses what is too much, by number and by size, and takes more when there is room', async () => {
    const stream = make('bound.sqlite', isDurable, 3, 1000);
    const on = fresh();
    const reader = await read(stream, on, { queue: 'q', prefetch: 1 });
    const answers = await Promise.allSettled(
      ['a', 'b', 'c', 'd', 'e'].map((id) => stream.publish(on, message(id))),
    );
    expect(answers.map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, false]);
    await expect(stream.publish(on, message('e'))).rejects.toMatchObject({ kind: 'full' });
    await waitFor(() => reader.got.length === 1, 'the first');
    reader.got[0]?.ack();
    await waitFor(() => reader.got.length === 2, 'the second');
    await expect(stream.publish(on, message('f', Buffer.alloc(990)))).rejects.toMatchObject({ kind: 'full' });
    await stream.publish(on, message('g'));
    expect(await stream.counts(on, 'q')).toEqual({ ready: 2, unsettled: 1 });
    await stream.remove(on, 'q');
    await stream.close();
  });
});
