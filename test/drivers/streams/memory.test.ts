import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { memoryStream } from '../../../src/drivers/streams/memory.js';
import type { Stream, StreamMessage } from '../../../src/drivers/streams/stream.js';
import { fresh, message, type Stage, streamConformance } from '../../conformance/stream.js';
import { read, readingConformance } from '../../conformance/stream-reading.js';
import { waitFor } from '../../support/wait-for.js';

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

test('a file that cannot be used is told, and heals', async () => {
  const parent = path.join(folder, 'later');
  const stream = make('later/streams.sqlite', true);
  const options = { queue: 'q', prefetch: 1, onMessage: () => undefined };
  await expect(stream.subscribe('s', options)).rejects.toMatchObject({ kind: 'away' });
  mkdirSync(parent);
  await (await stream.subscribe('s', options)).close();
  await stream.publish('s', message('a'));
  expect(await stream.counts('s', 'q')).toEqual({ ready: 1, unsettled: 0 });
  await stream.close();
});

test('a queue that is removed while messages come leaves nothing behind', async () => {
  const stream = make('removed.sqlite', true);
  const [one, two] = [
    await read(stream, 's', { queue: 'one', prefetch: 1 }),
    await read(stream, 's', { queue: 'two' }),
  ];
  const going = Array.from({ length: 500 }, (_, index) => stream.publish('s', message(String(index))));
  await waitFor(() => one.got.length === 1, 'the first message');
  await one.close();
  await stream.remove('s', 'one');
  await Promise.all(going);
  for (let settled = 0; settled < 500; ) {
    await waitFor(() => two.got.length > settled, 'the next message');
    for (const each of two.got.slice(settled)) each.ack();
    settled = two.got.length;
  }
  await stream.close();
  const database = new Database(path.join(folder, 'removed.sqlite'), { readonly: true });
  const count = (table: string) => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
  expect([count('queue'), count('waiting'), count('message')]).toEqual([1, 0, 0]);
  database.close();
});

test('a backlog is kept on the disk, not in memory, and comes back whole', async () => {
  const stream = make('backlog.sqlite', true);
  await (await read(stream, 's', { queue: 'q' })).close();
  const bodies = Array.from({ length: 40 }, () => randomBytes(500_000));
  await Promise.all(bodies.map((body, index) => stream.publish('s', message(String(index), body))));
  const reader = await read(stream, 's', { queue: 'q', prefetch: 40 });
  await waitFor(() => reader.got.length === 40, 'all messages');
  expect(reader.got.every(({ body }, index) => Buffer.from(body).equals(bodies[index] as Buffer))).toBe(true);
  // Given back, they are fetched once more.
  for (const each of [...reader.got].reverse()) each.giveBack();
  await waitFor(() => reader.got.length === 80, 'all messages again');
  const again = reader.got.slice(40);
  expect(again.every(({ body, id }) => Buffer.from(body).equals(bodies[Number(id)] as Buffer))).toBe(true);
  await stream.close();
});
