import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { State } from '../../../src/domain/jobs/job-state.js';
import type { PlannedStep } from '../../../src/domain/pipelines/pipeline-plan.js';
import { StepProgress } from '../../../src/worker/pipelines/step-progress.js';
import { atPace } from '../../support/pace.js';

const step: PlannedStep = {
  name: 's',
  definition: 1,
  revisionId: 1,
  revision: 1,
  needs: [],
  input: null,
  inputs: {},
  each: { over: 'lines', files: null, concurrency: null, gather: 'concat' },
  tee: false,
  environment: {},
  timeout: null,
  joinedTo: null,
};
const job = (item: number, state: State, retry = false) => ({
  uuid: `u${item}`,
  step: 's',
  item,
  state,
  outcome: null,
  notBefore: retry ? new Date() : null,
  ended: null,
});

test('whatever is heard of a step, it is counted as the latest of each of its jobs says', () => {
  const states: State[] = ['CREATED', 'RUNNING', 'RESET', 'FAILED', 'FINISHED', 'VALIDATED'];
  const news = fc.record({ item: fc.nat(12), state: fc.constantFrom(...states), retry: fc.boolean() });
  fc.assert(
    fc.property(fc.array(news, { maxLength: 60 }), fc.nat(12), (list, total) => {
      const progress = new StepProgress(step);
      const latest = new Map<number, { state: State; retry: boolean }>();
      for (const { item, state, retry } of list) {
        progress.note(job(item, state, retry));
        latest.set(item, { state, retry });
      }
      const next = latest.size === 0 ? 0 : Math.max(...latest.keys()) + 1;
      const rests = ({ state, retry }: { state: State; retry: boolean }) => state === 'RESET' && !retry;
      const all = [...latest.values()];
      const count = (...wanted: State[]) =>
        all.filter((one) => wanted.includes(one.state) && !rests(one)).length;
      expect(progress).toMatchObject({
        next,
        unended: count('CREATED', 'RUNNING', 'RESET'),
        resting: all.filter(rests).length,
        failed: count('FAILED'),
        finished: count('FINISHED', 'VALIDATED'),
      });
      const todo = Array.from({ length: next }, (_, item) => item).filter((item) => {
        const known = latest.get(item);
        return known === undefined || rests(known);
      });
      expect(progress.todo).toEqual(todo);

      progress.total = total;
      const surplus = progress.surplus().map(({ item }) => item);
      expect(surplus.sort()).toEqual(
        [...latest].flatMap(([item, one]) => (item >= total && rests(one) ? [item] : [])).sort(),
      );
      expect(progress.todo).toEqual(todo.filter((item) => item < total));
    }),
  );
});

test('a hundred thousand jobs that are all to be run again are taken in at once', () => {
  const progress = new StepProgress(step);
  const before = performance.now();
  for (let item = 0; item < 100_000; item += 1) progress.note(job(item, 'RESET'));
  for (let item = 0; item < 100_000; item += 1) progress.note(job(item, 'CREATED'));
  expect(progress).toMatchObject({ next: 100_000, unended: 100_000, resting: 0, todo: [] });
  expect(performance.now() - before).toBeLessThan(atPace(5000));
});
