import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearest } from '../../src/lib/nearest.js';

const keys = [
  'exec',
  'argv',
  'args',
  'environment',
  'cwd',
  'timeout',
  'process_type',
  'input_adapter',
  'name',
];

test.each([
  ['exce', 'exec'],
  ['exe', 'exec'],
  ['EXEC', 'exec'],
  ['arg', 'argv'],
  ['timeot', 'timeout'],
  ['time_out', 'timeout'],
  ['processType', 'process_type'],
  ['process-type', 'process_type'],
  ['input_adaptor', 'input_adapter'],
  ['env', 'environment'],
  ['enviroment', 'environment'],
])('%s means %s', (name, known) => {
  expect(nearest(name, keys)).toBe(known);
});

test.each([
  '',
  'x',
  'colour',
  'shell',
  'output',
  'no',
  '__proto__',
  '🦊',
])('%j means none of them', (name) => {
  expect(nearest(name, keys)).toBeUndefined();
});

test('one letter wrong in a long word is always understood', () => {
  fc.assert(
    fc.property(fc.constantFrom('environment', 'process_type', 'input_adapter'), fc.nat(9), (word, at) => {
      expect(nearest(`${word.slice(0, at)}${word.slice(at + 1)}`, keys)).toBe(word);
      expect(nearest(`${word.slice(0, at)}q${word.slice(at)}`, keys)).toBe(word);
    }),
  );
});

test('a known word means itself, and the answer is always one of the known words', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{2,9}$/), { minLength: 1, maxLength: 9 });
  fc.assert(
    fc.property(words, fc.string(), (known, name) => {
      for (const word of known) expect(nearest(word, known)).toBe(word);
      const answer = nearest(name, known);
      if (answer !== undefined) expect(known).toContain(answer);
    }),
  );
});

test('a name of a megabyte is no trouble', () => {
  expect(nearest('x'.repeat(1_000_000), keys)).toBeUndefined();
});
