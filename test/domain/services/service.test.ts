import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ended, exited, type Outcome } from '../../../src/domain/jobs/outcome.js';
import {
  afterEnd,
  expressionProblem,
  newServiceState,
  readyLeft,
  type ServiceRules,
  withHealth,
} from '../../../src/domain/services/service.js';

const rules = fc.record<ServiceRules>({
  restartMode: fc.constantFrom('always', 'abnormal', 'never'),
  restartLimit: fc.option(fc.nat(100), { nil: null }),
  backoff: fc
    .record({
      initial: fc.double({ min: 0.01, max: 100, noNaN: true }),
      factor: fc.double({ min: 1, max: 100, noNaN: true }),
      more: fc.double({ min: 0, max: 1000, noNaN: true }),
    })
    .map(({ initial, factor, more }) => ({ initial, factor, maximum: initial + more })),
  stableAfter: fc.double({ min: 0, max: 1000, noNaN: true }),
  ready: fc.constant({ by: 'start' }),
  readyTimeout: fc.constant(60),
  logSize: fc.constant(1000),
});
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.integer({ min: 0, max: 255 }).map(exited),
  fc
    .constantFrom('signal', 'timeout', 'oom', 'lost', 'platform')
    .map((cause) => ended(cause as Outcome['cause'])),
);
const end = fc.record({
  outcome,
  up: fc.double({ min: 0, max: 2000, noNaN: true }),
  permanent: fc.boolean(),
});
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const codes = fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1 });
const isWell = (given: Outcome, list: number[]) =>
  given.cause === 'exit' && list.includes(given.exit_code ?? -1);

describe('afterEnd', () => {
  test('the mode decides: never never starts, abnormal not after a success, always after both', () => {
    fc.assert(
      fc.property(rules, codes, end, fc.nat(200), random, (given, list, how, inARow, chance) => {
        const { next: then } = afterEnd(given, list, how, inARow, chance);
        const well = isWell(how.outcome, list);
        if (well && given.restartMode !== 'always') expect(then).toBe('finish');
        else if (given.restartMode === 'never' || how.permanent) expect(then).toBe('fail');
        else expect(then).not.toBe('finish');
      }),
    );
  });

  test('a wait is within the back-off, and what was up long enough begins a new row', () => {
    fc.assert(
      fc.property(rules, codes, end, fc.nat(200), random, (given, list, how, inARow, chance) => {
        const verdict = afterEnd(given, list, how, inARow, chance);
        if (verdict.next !== 'start') return;
        expect(verdict.inARow).toBe(how.up >= given.stableAfter ? 1 : inARow + 1);
        const { initial, maximum } = given.backoff;
        expect(verdict.wait).toBeGreaterThanOrEqual(Math.floor((initial * 1000) / 2));
        expect(verdict.wait).toBeLessThanOrEqual(Math.ceil(maximum * 1000));
        if (verdict.inARow === 1) expect(verdict.wait).toBeLessThanOrEqual(Math.ceil(initial * 1000));
      }),
    );
  });

  test('a program that always fails at once is started exactly 1 + limit times', () => {
    fc.assert(
      fc.property(rules, outcome, random, (some, how, chance) => {
        const given = { ...some, restartMode: 'always' as const, restartLimit: some.restartLimit ?? 7 };
        let inARow = 0;
        let starts = 1;
        for (;;) {
          const up = given.stableAfter - 1;
          const verdict = afterEnd(given, [0], { outcome: how, up, permanent: false }, inARow, chance);
          if (verdict.next !== 'start') {
            expect(verdict.next).toBe('fail');
            break;
          }
          inARow = verdict.inARow;
          starts += 1;
        }
        expect(starts).toBe(1 + given.restartLimit);
      }),
    );
  });

  test('without a limit it is never given up', () => {
    const given: ServiceRules = {
      restartMode: 'abnormal',
      restartLimit: null,
      backoff: { initial: 1, factor: 100, maximum: 300 },
      stableAfter: 60,
      ready: { by: 'start' },
      readyTimeout: 60,
      logSize: 1000,
    };
    const how = { outcome: exited(3), up: 0, permanent: false };
    expect(afterEnd(given, [0], how, 1_000_000, 0)).toMatchObject({ next: 'start', wait: 150_000 });
  });
});

test('the time since when a health lasts changes with the health alone', () => {
  const first = new Date('2026-01-01T00:00:00Z');
  const later = new Date('2026-01-01T00:01:00Z');
  const state = newServiceState(first);
  expect(withHealth(state, 'starting', later).since).toBe(first.toISOString());
  expect(withHealth(state, 'ready', later)).toMatchObject({ ready: true, since: later.toISOString() });
  expect(
    withHealth({ ...state, next_start: 'soon' }, 'starting', later, { restarts: 1 }).next_start,
  ).toBeNull();
});

test('what is left of the time to become ready goes on over a restart of the server', () => {
  const given = { readyTimeout: 10 } as ServiceRules;
  expect(readyLeft(given, 4)).toBe(6);
  expect(readyLeft(given, 3600)).toBe(0);
});

test('an expression that is none is told as such', () => {
  expect(expressionProblem('^ready')).toBeUndefined();
  expect(expressionProblem('(')).toMatch(/Unterminated group/);
});
