import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Delivery, StreamMessage } from '../../../src/drivers/streams/stream.js';
import { type Held, Outflow } from '../../../src/worker/operations/outflow.js';
import { waitFor } from '../../support/wait-for.js';

const quick = { initial: 0.001, factor: 2, maximum: 0.005 };

/** A way out whose publishing can fail, with what came out of it and what was acknowledged, in order. */
function stage(publish: (message: StreamMessage) => Promise<void> = async () => {}) {
  const acknowledged: string[] = [];
  const published: StreamMessage[] = [];
  const troubles: (string | null)[] = [];
  const outflow = new Outflow({
    backoff: quick,
    async publish(_kind, message) {
      await publish(message);
      published.push(message);
    },
    onSettled: () => undefined,
    onTrouble: (reason) => void troubles.push(reason),
  });
  const hold = (id: string, redelivered = false): Held => {
    const delivery: Delivery = {
      ...message(id),
      redelivered,
      ack: () => void acknowledged.push(id),
      giveBack: () => undefined,
    };
    return outflow.hold(delivery);
  };
  return { outflow, hold, acknowledged, published, troubles };
}

const message = (id: string): StreamMessage => ({
  id,
  contentType: 'text/plain',
  headers: {},
  body: Buffer.alloc(0),
});
const result = (id: string) => ({ kind: 'result' as const, message: message(id) });
const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

test('in whatever order results come, they go out and are acknowledged in that of their messages', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ at: fc.integer(), nothing: fc.boolean() }), { maxLength: 300 }),
      async (all) => {
        const { outflow, hold, acknowledged, published } = stage();
        const held = all.map((_, index) => hold(String(index)));
        const order = all.map((_, index) => index).sort((a, b) => (all[a]?.at ?? 0) - (all[b]?.at ?? 0));
        for (const index of order) {
          outflow.settle(
            held[index] as Held,
            all[index]?.nothing ? { kind: 'nothing' } : result(String(index)),
          );
        }
        await waitFor(() => outflow.size === 0, 'all to be settled');
        expect(acknowledged).toEqual(numbers(all.length));
        expect(published.map(({ id }) => id)).toEqual(numbers(all.length).filter((_, i) => !all[i]?.nothing));
      },
    ),
    { numRuns: 50 },
  );
});

test('what fails is published again in order, marked, and nothing is acknowledged before it is safe', async () => {
  const failing = new Set(['3', '4', '5', '9']);
  const { outflow, hold, acknowledged, published, troubles } = stage(async ({ id }) => {
    if (failing.delete(id)) throw new Error(`no room for ${id}`);
  });
  const held = numbers(12).map((id) => hold(id));
  for (const [index, each] of held.entries()) outflow.settle(each, result(String(index)));
  await waitFor(() => outflow.size === 0, 'all to be settled');
  expect(acknowledged).toEqual(numbers(12));
  expect(published.map(({ id }) => id).sort()).toEqual(numbers(12).sort());
  const marked = published.filter(({ headers }) => headers.redelivered === 'true').map(({ id }) => id);
  expect(marked).toEqual(['3', '4', '5', '9']);
  expect(troubles.at(0)).toBe('no room for 3');
  expect(troubles.at(-1)).toBeNull();
});

test('what came again is marked as such', async () => {
  const { outflow, hold, published } = stage();
  outflow.settle(hold('a', true), result('a'));
  outflow.settle(hold('b'), result('b'));
  await waitFor(() => outflow.size === 0, 'both to be settled');
  expect(published.map(({ headers }) => headers)).toEqual([{ redelivered: 'true' }, {}]);
});

test('what the stream has taken back is neither published later nor acknowledged', async () => {
  let fail = true;
  const { outflow, hold, acknowledged, published } = stage(async () => {
    if (fail) throw new Error('away');
  });
  const [a, b] = [hold('a'), hold('b')];
  outflow.settle(a, result('a'));
  await waitFor(() => a.sent, 'the first try');
  outflow.drop();
  fail = false;
  outflow.settle(b, result('b'));
  const again = hold('a', true);
  outflow.settle(again, result('a'));
  await waitFor(() => outflow.size === 0, 'it to be settled');
  expect([acknowledged, published.map(({ id }) => id)]).toEqual([['a'], ['a']]);
});
