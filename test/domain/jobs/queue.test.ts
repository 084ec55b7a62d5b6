import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Queue, type Waiting } from '../../../src/domain/jobs/queue.js';

type Step = { kind: 'add'; job: Waiting } | { kind: 'next' } | { kind: 'remove' | 'release'; id: number };

const id = fc.integer({ min: 1, max: 30 });
/** A job's definition decides its bound, so that two jobs of one definition never disagree. */
const bounds: Record<number, number | null> = { 0: null, 1: null, 2: 1, 3: 2 };
const job = fc
  .record({
    id,
    ownerId: fc.integer({ min: 1, max: 3 }),
    definitionId: fc.integer({ min: 0, max: 3 }),
    priority: fc.integer({ min: -1, max: 1 }),
    atOnce: fc.boolean(),
  })
  .map((some): Waiting => ({ ...some, uuid: `u${some.id}`, concurrency: bounds[some.definitionId] ?? null }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: job.map((one): Step => ({ kind: 'add', job: one })) },
  { weight: 3, arbitrary: fc.constant<Step>({ kind: 'next' }) },
  fc.record({ kind: fc.constantFrom('remove' as const, 'release' as const), id }),
);

/** The rule in as few words as there are: slow, and plainly right. */
function nextOf(waiting: Waiting[], running: Waiting[], limits: { running: number; runningPerUser: number }) {
  const busy = (one: Waiting) => running.filter(({ ownerId }) => ownerId === one.ownerId).length;
  const alike = (one: Waiting) =>
    running.filter(({ definitionId }) => definitionId === one.definitionId).length;
  const bounded = (one: Waiting) =>
    running.length < limits.running &&
    busy(one) < limits.runningPerUser &&
    (one.concurrency === null || one.definitionId === 0 || alike(one) < one.concurrency);
  return waiting
    .filter((one) => one.atOnce || bounded(one))
    .sort(
      (a, b) =>
        Number(b.atOnce) - Number(a.atOnce) || b.priority - a.priority || busy(a) - busy(b) || a.id - b.id,
    )[0];
}

test('a queue does what the rule says, whatever comes and goes', () => {
  fc.assert(
    fc.property(
      fc.record({ running: fc.integer({ min: 1, max: 6 }), runningPerUser: fc.integer({ min: 1, max: 4 }) }),
      fc.array(step, { maxLength: 80 }),
      (limits, steps) => {
        const queue = new Queue(() => limits);
        let waiting: Waiting[] = [];
        let running: Waiting[] = [];
        for (const one of steps) {
          if (one.kind === 'add') {
            queue.add(one.job);
            if (
              !waiting.some(({ uuid }) => uuid === one.job.uuid) &&
              !running.some((r) => r.uuid === one.job.uuid)
            )
              waiting.push(one.job);
          } else if (one.kind === 'next') {
            const expected = nextOf(waiting, running, limits);
            expect(queue.next()).toEqual(expected);
            if (expected !== undefined) {
              waiting = waiting.filter((w) => w !== expected);
              running.push(expected);
            }
          } else if (one.kind === 'remove') {
            expect(queue.remove(`u${one.id}`)).toBe(waiting.some((w) => w.id === one.id));
            waiting = waiting.filter((w) => w.id !== one.id);
          } else {
            queue.release(`u${one.id}`);
            running = running.filter((r) => r.id !== one.id);
          }
          expect([queue.waiting, queue.running]).toEqual([waiting.length, running.length]);
          for (const owner of [1, 2, 3]) {
            expect(queue.waitingOf(owner)).toBe(waiting.filter((w) => w.ownerId === owner).length);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});
