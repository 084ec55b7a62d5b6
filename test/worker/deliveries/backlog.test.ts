import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PendingRow } from '../../../src/store/deliveries.js';
import { Backlog } from '../../../src/worker/deliveries/backlog.js';
import type { Sequence } from '../../../src/worker/deliveries/receiver.js';
import { Receiver } from '../../../src/worker/deliveries/receiver.js';

const row = (id: number, jobId: number, url: string): PendingRow => ({
  id,
  subscriptionId: 1,
  jobId,
  ownerId: 1,
  url,
  active: true,
  attempts: 0,
  status: null,
  notBefore: null,
  since: 0,
});

/** An outbox as an array, of which sequences take: everything is told once, each job's in order, and little is held. */
test('whatever waits is told, each sequence in order, with little in memory', async () => {
  const step = fc.record({
    add: fc.array(fc.nat(2000), { maxLength: 1500, size: 'max' }),
    crowd: fc.nat(60),
    tell: fc.nat(60),
    store: fc.boolean(),
    drop: fc.nat(9),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const outbox: PendingRow[] = [];
      const settled = new Set<number>();
      const unsettled = new Set<number>();
      const told: PendingRow[] = [];
      const ready = new Set<Sequence>();
      const receivers = new Map<string, Receiver>();
      const waiting = () => outbox.filter(({ id }) => !settled.has(id));
      const backlog = new Backlog({
        pending: async (after, take) =>
          waiting()
            .filter(({ id }) => id > after)
            .slice(0, take),
        sequence: async (_subscription, jobId, take) =>
          waiting()
            .filter((one) => one.jobId === jobId)
            .slice(0, take),
        receiverOf: (url) => {
          const receiver = receivers.get(url) ?? new Receiver(url);
          receivers.set(url, receiver);
          return receiver;
        },
        unsettled: (id) => unsettled.has(id),
        ready: (sequence) => ready.add(sequence),
      });
      const store = () => {
        for (const id of unsettled) settled.add(id);
        unsettled.clear();
      };
      const tell = (most: number) => {
        for (const sequence of [...ready].slice(0, most)) {
          const [first] = sequence.rows;
          ready.delete(sequence);
          if (first === undefined) continue;
          told.push(first);
          unsettled.add(first.id);
          if (backlog.shift(sequence)) ready.add(sequence);
        }
      };
      const held = () => backlog.all().reduce((sum, { rows }) => sum + rows.length, 0);

      for (const { add, crowd, tell: count, store: stores, drop } of steps) {
        const start = outbox.length;
        const jobs = [...add, ...Array.from({ length: crowd }, () => 99)];
        // A job is told to one receiver, as one of a subscription is.
        for (const [index, job] of jobs.entries())
          outbox.push(row(start + index + 1, job, `http://${job % 2}`));
        await backlog.load();
        expect(held()).toBeLessThanOrEqual(2 * 500);
        tell(count);
        if (drop === 0) {
          // As after a change of the subscription: let go of it all, and look again.
          backlog.forget(1);
          ready.clear();
          backlog.lookAgain(1);
        }
        if (stores) store();
      }
      for (let turn = 0; told.length < outbox.length && turn < 5000; turn += 1) {
        store();
        await backlog.load();
        tell(1000);
      }
      expect(told.map(({ id }) => id).sort((a, b) => a - b)).toEqual(outbox.map(({ id }) => id));
      for (const job of new Set(outbox.map(({ jobId }) => jobId))) {
        const ids = told.filter(({ jobId }) => jobId === job).map(({ id }) => id);
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
      }
      expect(backlog.all()).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('a sequence that is forgotten while its rows are read is left alone, and what waits is read again', async () => {
  const outbox = Array.from({ length: 60 }, (_, index) => row(index + 1, 1, 'http://1'));
  const settled = new Set<number>();
  let reads = 0;
  let meanwhile = () => {};
  const waiting = () => outbox.filter(({ id }) => !settled.has(id));
  const receiver = new Receiver('http://1');
  const backlog = new Backlog({
    pending: async (after, take) =>
      waiting()
        .filter(({ id }) => id > after)
        .slice(0, take),
    sequence: async (_subscription, _job, take) => {
      reads += 1;
      const rows = waiting().slice(0, take);
      meanwhile();
      return rows;
    },
    receiverOf: () => receiver,
    unsettled: () => false,
    ready: () => {},
  });
  await backlog.load();
  const [sequence] = backlog.all();
  // All that is held of it is told, and its subscription is switched off while the rest is read.
  while (sequence?.rows[0] !== undefined) {
    settled.add(sequence.rows[0].id);
    backlog.shift(sequence);
  }
  meanwhile = () => {
    for (const one of outbox) one.active = false;
    backlog.forget(1);
    backlog.lookAgain(1);
  };
  await backlog.load();
  expect(reads).toBe(1);
  meanwhile = () => {};
  for (let turn = 0; turn < 5; turn += 1) await backlog.load();
  expect([reads, backlog.hungry, backlog.all()]).toEqual([1, false, []]);

  for (const one of outbox) one.active = true;
  backlog.lookAgain(1);
  await backlog.load();
  expect(backlog.all()[0]?.rows[0]?.id).toBe(Math.max(...settled) + 1);
});
