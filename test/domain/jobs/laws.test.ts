import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isUuid, type TypedKind, typedUuids } from '../../../src/domain/external-jobs/typed-uuid.js';
import { events, isUnfinished, legalEvents, nextState, states } from '../../../src/domain/jobs/job-state.js';
import { type Cause, ended, exited, failureKind, succeeded } from '../../../src/domain/jobs/outcome.js';
import { backoffDelay } from '../../../src/lib/backoff.js';

/** The whole table, written down once more: state, then event → next state. */
const table = `
CREATED    create CREATED, run RUNNING, update CREATED, resource CREATED, fail FAILED, reset RESET
RUNNING    run RUNNING, update RUNNING, resource RUNNING, fail FAILED, finish FINISHED, reset RESET
FAILED     retire RETIRED, reset RESET
FINISHED   finish FINISHED, index INDEXING, indexed FINISHED, validate VALIDATING, retire RETIRED, reset RESET
INDEXING   update INDEXING, fail FAILED, index INDEXING, indexed FINISHED, reset RESET
VALIDATING update VALIDATING, fail FAILED, validated VALIDATED, reject REJECTED, retire RETIRED, reset RESET
VALIDATED  validate VALIDATING, validated VALIDATED, finalize FINALIZED, retire RETIRED, reset RESET
REJECTED   retire RETIRED, reset RESET
FINALIZED  retire RETIRED, reset RESET
RETIRED    reset RESET
RESET      reset RESET, ready CREATED`;

test('the one table, every state with every event', () => {
  const expected = new Map(
    table
      .trim()
      .split('\n')
      .map((line) => {
        const [, state = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
        return [state, new Map(rest.split(', ').map((step) => step.split(' ') as [string, string]))];
      }),
  );
  expect([...expected.keys()].sort()).toEqual([...states].sort());
  for (const state of states) {
    for (const event of events) expect(nextState(state, event)).toBe(expected.get(state)?.get(event));
    expect(legalEvents(state)).toEqual(events.filter((event) => expected.get(state)?.has(event)));
  }
});

test('whatever happens to a job, only a reset lets it run again after its end', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 40 }), (happenings) => {
      let state: (typeof states)[number] = 'CREATED';
      for (const event of happenings) {
        const next = nextState(state, event);
        if (next === undefined) continue;
        if (!isUnfinished(state) && isUnfinished(next)) expect(event).toBe('reset');
        state = next;
      }
    }),
  );
});

const backoff = fc.record({
  initial: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  factor: fc.double({ min: 1, max: 100, noNaN: true }),
  maximum: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
});
const random = fc.double({ min: 0, max: 0.999999, noNaN: true });

test('a back-off lies in the upper half of its step, is bounded, and never shrinks', () => {
  fc.assert(
    fc.property(backoff, fc.integer({ min: 1, max: 100 }), random, (setting, retry, chance) => {
      const wait = backoffDelay(setting, retry, chance);
      const full = Math.min(setting.maximum, setting.initial * setting.factor ** (retry - 1)) * 1000;
      expect(wait).toBeGreaterThanOrEqual(Math.floor(full / 2));
      expect(wait).toBeLessThanOrEqual(Math.ceil(full));
      expect(backoffDelay(setting, retry + 1, chance)).toBeGreaterThanOrEqual(wait);
    }),
  );
});

const causes: Cause[] = ['exit', 'signal', 'timeout', 'oom', 'cancelled', 'lost', 'platform'];
const code = fc.integer({ min: 0, max: 255 });

test('only an exit with a wanted code is success, and every failure has one budget or none', () => {
  fc.assert(
    fc.property(code, fc.array(code), fc.array(code), (exit, wanted, temporary) => {
      expect(succeeded(exited(exit), wanted)).toBe(wanted.includes(exit));
      const kind = temporary.length === 0 || temporary.includes(exit) ? 'program' : undefined;
      expect(failureKind(exited(exit), temporary)).toBe(kind);
      for (const cause of causes.filter((one) => one !== 'exit')) {
        expect(succeeded(ended(cause), wanted)).toBe(false);
        const never = cause === 'cancelled' || cause === 'lost';
        expect(failureKind(ended(cause), temporary)).toBe(
          never ? undefined : cause === 'platform' ? 'platform' : 'program',
        );
      }
    }),
  );
});

test('what has run to its end is never run again for the platform’s sake', () => {
  fc.assert(
    fc.property(code, fc.array(code), (exit, temporary) => {
      const noOutput = { ...exited(exit), cause: 'platform' as const };
      expect(failureKind(noOutput, temporary)).toBe(failureKind(exited(exit), temporary));
      expect(failureKind({ ...ended('platform'), signal: 'SIGPIPE' }, temporary)).toBe('program');
    }),
  );
});

test('a typed UUID says what it names, and nothing else does', () => {
  const uuids = typedUuids();
  const kinds = Object.keys(uuids.prefixes) as TypedKind[];
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  fc.assert(
    fc.property(fc.constantFrom(...kinds), bytes, (kind, given) => {
      const uuid = uuids.of(kind, given);
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(uuids.kindOf(uuid)).toBe(kind);
      expect(uuids.of(kind, given)).toBe(uuid);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => !isUuid(text) && uuids.kindOf(text) === undefined));
});
