import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exampleProblem } from '../../../src/domain/definitions/example.js';
import { ended, exited } from '../../../src/domain/jobs/outcome.js';

const example = (output: string | null, exitCode: number | null = null) => ({
  name: null,
  input: null,
  expect: { output, exitCode },
});

test('an output passes exactly if it is the expected one to the byte', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (wanted, came) => {
      const result = { outcome: exited(0), output: new TextEncoder().encode(came) };
      // A lone surrogate has no bytes of its own: what counts is what is written.
      const same = Buffer.from(wanted).equals(Buffer.from(came));
      expect(exampleProblem(example(wanted), result, [0]) === null).toBe(same);
    }),
  );
});

test.each([
  ['abc', 'abd', 'The output differs at byte 2: "abd" instead of "abc".'],
  ['', 'a', 'The output differs at byte 0: "a" instead of nothing.'],
  ['a', '', 'The output differs at byte 0: nothing instead of "a".'],
  [
    `${'.'.repeat(100)}a`,
    `${'.'.repeat(100)}b`,
    `The output differs at byte 100: …"${'.'.repeat(30)}b" instead of …"${'.'.repeat(30)}a".`,
  ],
])('the difference is shown where it is: %j, %j', (wanted, came, problem) => {
  const result = { outcome: exited(0), output: Buffer.from(came) };
  expect(exampleProblem(example(wanted), result, [0])).toBe(problem);
});

test('the end and the output are told both', () => {
  const result = { outcome: ended('timeout', 'It ran longer than its 3 s.'), output: null };
  expect(exampleProblem(example('a'), result, [0])).toBe(
    'It did not succeed: its end was timeout (It ran longer than its 3 s). There is no output.',
  );
  expect(exampleProblem(example(null, 4), { outcome: exited(4), output: null }, [0])).toBeNull();
  expect(exampleProblem(example(null), { outcome: exited(4), output: null }, [0, 4])).toBeNull();
});
