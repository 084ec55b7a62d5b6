import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ended, exited, type Outcome } from '../../../src/domain/jobs/outcome.js';
import {
  type Failure,
  failedOutcome,
  firstFailure,
  movesOf,
  type StepState,
  stepsAgain,
} from '../../../src/domain/pipelines/pipeline.js';
import { groupOf, type Plan, type PlannedStep } from '../../../src/domain/pipelines/pipeline-plan.js';
import { atPace } from '../../support/pace.js';

type JobState = 'resting' | 'unended' | 'finished' | 'failed';

const stepNamed = (name: string, more: Partial<PlannedStep> = {}): PlannedStep => ({
  name,
  definition: 1,
  revisionId: 1,
  revision: 1,
  needs: [],
  input: null,
  inputs: {},
  each: null,
  tee: false,
  environment: {},
  timeout: null,
  joinedTo: null,
  ...more,
});
const planFor = (steps: PlannedStep[]): Plan => ({
  steps,
  output: { step: steps.at(-1)?.name ?? null, output: null },
  timeout: null,
  totals: {},
  stop: null,
  again: null,
});

/** Any graph of steps: some once per item, some alongside those of another, some joined to the one before. */
const plans = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(7), { maxLength: 3 }),
      kind: fc.constantFrom('plain', 'plain', 'each', 'alongside', 'joined'),
      concurrency: fc.option(fc.integer({ min: 1, max: 3 })),
      total: fc.integer({ min: 0, max: 5 }),
    }),
    { minLength: 1, maxLength: 7 },
  )
  .map((rows) => {
    const steps: PlannedStep[] = [];
    const totals = new Map<string, number>();
    rows.forEach(({ needs, kind, concurrency, total }, index) => {
      const name = `s${index}`;
      const earlier = [...new Set(needs.filter((need) => need < index).map((need) => `s${need}`))];
      const before = steps.at(-1);
      const each = { over: 'lines' as const, files: null, concurrency, gather: 'concat' as const };
      if (kind === 'each') {
        steps.push(stepNamed(name, { needs: earlier, each }));
        totals.set(name, total);
      } else if (kind === 'alongside' && before !== undefined && before.each !== null) {
        const input = { step: before.name, output: null };
        const all = [...new Set([before.name, ...earlier])];
        steps.push(stepNamed(name, { needs: all, input, each: { ...each, over: 'items' } }));
        totals.set(name, totals.get(before.name) ?? 0);
      } else if (kind === 'joined' && before !== undefined && before.each === null) {
        before.joinedTo = name;
        steps.push(stepNamed(name, { needs: [before.name] }));
      } else steps.push(stepNamed(name, { needs: earlier }));
    });
    return { plan: planFor(steps), totals };
  });

/** A world in which jobs end as somebody likes, and moves are made as the driver makes them. */
class World {
  readonly jobs = new Map<string, Map<number, JobState>>();
  readonly counted = new Set<string>();
  readonly runs: string[] = [];
  end: 'finish' | 'fail' | null = null;

  constructor(
    readonly plan: Plan,
    readonly totals: ReadonlyMap<string, number>,
  ) {
    for (const { name } of plan.steps) this.jobs.set(name, new Map());
  }

  of = (name: string) => this.jobs.get(name) as Map<number, JobState>;

  state(step: PlannedStep): StepState {
    const jobs = this.of(step.name);
    const count = (state: JobState) => [...jobs.values()].filter((one) => one === state).length;
    const next = jobs.size === 0 ? 0 : Math.max(...jobs.keys()) + 1;
    const holes = Array.from({ length: next }, (_, item) => item).filter((item) => !jobs.has(item));
    const resting = [...jobs].flatMap(([item, state]) => (state === 'resting' ? [item] : []));
    const known = step.each === null || this.counted.has(step.name);
    return {
      total: known ? (this.totals.get(step.name) ?? 1) : null,
      next,
      todo: [...holes, ...resting].sort((a, b) => a - b),
      unended: count('unended'),
      resting: count('resting'),
      failed: count('failed'),
      finished: count('finished'),
      hasFinished: (item) => jobs.get(item) === 'finished',
    };
  }

  done = (name: string) => {
    const step = this.plan.steps.find((one) => one.name === name) as PlannedStep;
    const { total, finished } = this.state(step);
    return total !== null && finished === total;
  };

  /** Makes all moves there are; `cut` starts only so many jobs, as a crash would. */
  go(bound: number, cut = Number.POSITIVE_INFINITY): void {
    let left = cut;
    for (let again = true; again; ) {
      again = false;
      const states = new Map(this.plan.steps.map((step) => [step.name, this.state(step)]));
      for (const move of movesOf(this.plan, states, bound)) {
        expect(this.end).toBeNull();
        if (move.do === 'count') {
          this.counted.add(move.step);
          again = true;
        } else if (move.do === 'start') {
          const group = groupOf(this.plan, move.step);
          for (const item of move.items) {
            // The one that is waited for in the queue comes last.
            for (const step of [...group].reverse()) {
              if (left <= 0) return;
              const state = this.of(step.name).get(item);
              if (state === 'unended') continue;
              left -= 1;
              expect(['resting', undefined]).toContain(state);
              for (const need of step.needs) {
                const inside = group.some(({ name }) => name === need);
                const alongside = step.each?.over === 'items' && step.input?.step === need;
                if (alongside) expect(this.of(need).get(item)).toBe('finished');
                else if (!inside) expect(this.done(need)).toBe(true);
              }
              this.of(step.name).set(item, 'unended');
              this.runs.push(`${step.name}.${item}`);
            }
            const most = group[0]?.each?.concurrency ?? bound;
            if (group[0]?.each) expect(this.state(group[0]).unended).toBeLessThanOrEqual(most);
          }
          again = true;
        } else if (move.do === 'cancel') {
          const [step, item] = this.open()[0] as [string, number];
          this.of(step).set(item, 'failed');
          again = true;
        } else {
          expect(this.open()).toEqual([]);
          this.end = move.do;
        }
      }
      if (this.end !== null) return;
    }
  }

  open = (): [string, number][] =>
    [...this.jobs].flatMap(([name, jobs]) =>
      [...jobs].flatMap(([item, state]): [string, number][] =>
        state === 'unended' || state === 'resting' ? [[name, item]] : [],
      ),
    );
}

const chances = fc.array(fc.record({ pick: fc.nat(), fails: fc.nat(19), cut: fc.nat(9) }), {
  minLength: 60,
  maxLength: 60,
});

/** Lets jobs end in the given order until all has ended. */
function live(
  world: World,
  order: readonly { pick: number; fails: number; cut: number }[],
  failing: boolean,
): void {
  for (let turn = 0; world.end === null; turn += 1) {
    const { pick, fails, cut } = order[turn % order.length] as { pick: number; fails: number; cut: number };
    // Now and then it is cut off in the middle of starting, and goes on from what is there.
    if (cut < 3) world.go(3, cut);
    if (world.end === null) world.go(3);
    if (world.end !== null) return;
    const open = world.open().filter(([name, one]) => world.of(name).get(one) === 'unended');
    expect(open.length).toBeGreaterThan(0);
    const [step, item] = open[pick % open.length] as [string, number];
    world.of(step).set(item, failing && fails === 0 ? 'failed' : 'finished');
    expect(turn).toBeLessThan(atPace(2000));
  }
}

test('whatever order jobs end in, a pipeline ends once: well if all did, and nothing runs before what it needs', () => {
  fc.assert(
    fc.property(plans, chances, ({ plan, totals }, order) => {
      const world = new World(plan, totals);
      live(world, order, false);
      expect(world.end).toBe('finish');
      expect(new Set(world.runs).size).toBe(world.runs.length);
      const wanted = plan.steps.reduce((sum, { name }) => sum + (totals.get(name) ?? 1), 0);
      expect(world.runs.length).toBe(wanted);
    }),
    { numRuns: 300 },
  );
});

test('after a failure a resume runs again what failed and never ran, and reuses what ended well', () => {
  fc.assert(
    fc.property(plans, chances, fc.option(fc.nat(6)), ({ plan, totals }, order, at) => {
      const world = new World(plan, totals);
      live(world, order, true);
      if (world.end === 'finish') return;
      const failed = new Set(
        plan.steps.flatMap(({ name }) => ([...world.of(name).values()].includes('failed') ? [name] : [])),
      );
      expect(failed.size).toBeGreaterThan(0);
      const from = at === null ? null : (plan.steps[at % plan.steps.length]?.name ?? null);
      const again = stepsAgain(plan, failed, from);
      const isJoined = plan.steps.some(({ joinedTo }) => joinedTo !== null);
      if (from === null && !isJoined) expect(again).toEqual([]);
      const kept: string[] = [];
      for (const [name, jobs] of world.jobs) {
        for (const [item, state] of jobs) {
          if (state === 'failed' || again.includes(name)) jobs.set(item, 'resting');
          else kept.push(`${name}.${item}`);
        }
      }
      world.runs.length = 0;
      world.counted.clear();
      world.end = null;
      live(world, order, false);
      expect(world.end).toBe('finish');
      expect(kept.filter((run) => world.runs.includes(run))).toEqual([]);
      const wanted = plan.steps.reduce((sum, { name }) => sum + (totals.get(name) ?? 1), 0);
      expect(kept.length + world.runs.length).toBe(wanted);
      expect(new Set(world.runs).size).toBe(world.runs.length);
    }),
    { numRuns: 300 },
  );
});

test('what comes after joined steps is resumed with them: they may give something else', () => {
  const plan = planFor([
    stepNamed('a', { joinedTo: 'b' }),
    stepNamed('waits', { needs: ['a'] }),
    stepNamed('b', { needs: ['a'] }),
    stepNamed('after', { needs: ['b'] }),
    stepNamed('apart'),
  ]);
  expect(stepsAgain(plan, new Set(['a']), null)).toEqual(['a', 'waits', 'b', 'after']);
  expect(stepsAgain(plan, new Set(['apart']), 'b')).toEqual(['a', 'waits', 'b', 'after']);
  expect(stepsAgain(plan, new Set(['apart']), null)).toEqual([]);
});

test('the failure that is told is the one that the others come from', () => {
  const plan = planFor([stepNamed('a', { joinedTo: 'b' }), stepNamed('b'), stepNamed('c')]);
  const failure = (step: string, outcome: Outcome, at: number, item: number | null = null): Failure => ({
    step,
    item,
    outcome,
    ended: new Date(at),
  });
  const pipe = failure('a', { ...ended('signal'), signal: 'SIGPIPE' }, 1);
  const reader = failure('b', exited(2), 2);
  const cancelled = failure('c', ended('cancelled', 'Cancelled by its pipeline.'), 0);
  expect(firstFailure(plan, [cancelled, pipe, reader])).toBe(reader);
  expect(firstFailure(plan, [cancelled, pipe])).toBe(pipe);
  expect(firstFailure(plan, [cancelled])).toBe(cancelled);
  expect(failedOutcome(reader)).toEqual({ ...exited(2), reason: "The step 'b' exited with 2." });
  expect(failedOutcome(failure('c', exited(2), 1, 17)).reason).toBe("Item 17 of the step 'c' exited with 2.");
  expect(failedOutcome(pipe).reason).toBe("The step 'a' was ended by SIGPIPE.");
  expect(failedOutcome(failure('c', ended('timeout', 'It ran longer than its 1 s.'), 1)).reason).toBe(
    "The step 'c' failed: It ran longer than its 1 s.",
  );
});
