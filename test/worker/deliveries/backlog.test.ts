import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PendingRow } from '../../../src/store/deliveries.js';
import { Lanes } from '../../../src/worker/deliveries/backlog.js';
import type { Lane } from '../../../src/worker/deliveries/receiver.js';
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

/** An outbox as an array, of which lanes take: everything is told once, each job's in order, and little is held. */
test('whatever waits is told, each lane in order, with little in memory', async () => {
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
      const ready = new Set<Lane>();
      const receivers = new Map<string, Receiver>();
      const waiting = () => outbox.filter(({ id }) => !settled.has(id));
      const lanes = new Lanes({
        pending: async (after, take) =>
          waiting()
            .filter(({ id }) => id > after)
            .slice(0, take),
        lane: async (_subscription, jobId, take) =>
          waiting()
            .filter((one) => one.jobId === jobId)
            .slice(0, take),
        receiverOf: (url) => {
          const receiver = receivers.get(url) ?? new Receiver(url);
          receivers.set(url, receiver);
          return receiver;
        },
        unsettled: (id) => unsettled.has(id),
        ready: (lane) => ready.add(lane),
      });
      const store = () => {
        for (const id of unsettled) settled.add(id);
        unsettled.clear();
      };
      const tell = (most: number) => {
        for (const lane of [...ready].slice(0, most)) {
          const [first] = lane.rows;
          ready.delete(lane);
          if (first === undefined) continue;
          told.push(first);
          unsettled.add(first.id);
          if (lanes.shift(lane)) ready.add(lane);
        }
      };
      const held = () => lanes.all().reduce((sum, { rows }) => sum + rows.length, 0);

      for (const { add, crowd, tell: count, store: stores, drop } of steps) {
        const start = outbox.length;
        const jobs = [...add, ...Array.from({ length: crowd }, () => 99)];
        // A job is told to one receiver, as one of a subscription is.
        for (const [index, job] of jobs.entries())
          outbox.push(row(start + index + 1, job, `http://${job % 2}`));
        await lanes.load();
        expect(held()).toBeLessThanOrEqual(2 * 500);
        tell(count);
        if (drop === 0) {
          // As after a change of the subscription: let go of it all, and look again.
          lanes.forget(1);
          ready.clear();
          lanes.lookAgain(1);
        }
        if (stores) store();
      }
      for (let turn = 0; told.length < outbox.length && turn < 5000; turn += 1) {
        store();
        await lanes.load();
        tell(1000);
      }
      expect(told.map(({ id }) => id).sort((a, b) => a - b)).toEqual(outbox.map(({ id }) => id));
      for (const job of new Set(outbox.map(({ jobId }) => jobId))) {
        const ids = told.filter(({ jobId }) => jobId === job).map(({ id }) => id);
        expect(ids).toEqual([...ids].sort((a, b) => a - b));
      }
      expect(lanes.all()).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test('a lane that is forgotten while its rows are read is left alone, and what waits is read again', async () => {
  const outbox = Array.from({ length: 60 }, (_, index) => row(index + 1, 1, 'http://1'));
  const settled = new Set<number>();
  let reads = 0;
  let meanwhile = () => {};
  const waiting = () => outbox.filter(({ id }) => !settled.has(id));
  const receiver = new Receiver('http://1');
  const lanes = new Lanes({
    pending: async (after, take) =>
      waiting()
        .filter(({ id }) => id > after)
        .slice(0, take),
    lane: async (_subscription, _job, take) => {
      reads += 1;
      const rows = waiting().slice(0, take);
      meanwhile();
      return rows;
    },
    receiverOf: () => receiver,
    unsettled: () => false,
    ready: () => {},
  });
  await lanes.load();
  const [lane] = lanes.all();
  // All that is held of it is told, and its subscription is switched off while the rest is read.
  while (lane?.rows[0] !== undefined) {
    settled.add(lane.rows[0].id);
    lanes.shift(lane);
  }
  meanwhile = () => {
    for (const one of outbox) one.active = false;
    lanes.forget(1);
    lanes.lookAgain(1);
  };
  await lanes.load();
  expect(reads).toBe(1);
  meanwhile = () => {};
  for (let turn = 0; turn < 5; turn += 1) await lanes.load();
  expect([reads, lanes.hungry, lanes.all()]).toEqual([1, false, []]);

  for (const one of outbox) one.active = true;
  lanes.lookAgain(1);
  await lanes.load();
  expect(lanes.all()[0]?.rows[0]?.id).toBe(Math.max(...settled) + 1);
});
