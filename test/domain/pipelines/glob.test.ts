import { expect, test } from 'vitest';
import { globMatcher, globProblem } from '../../../src/domain/pipelines/glob.js';
import { atPace } from '../../support/pace.js';

test.each([
  ['*.png', ['a.png', 'ä b.png'], ['.png', '.a.png', 'a.jpg', 'b/a.png', 'a.png.txt']],
  ['frames/*.png', ['frames/1.png'], ['1.png', 'frames/x/1.png', 'frame/1.png']],
  ['**/*.txt', ['a.txt', 'b/a.txt', 'b/c/a.txt'], ['.h/a.txt', 'b/.a.txt']],
  ['b/**', ['b/a', 'b/c/d'], ['b', 'a', 'b/.x']],
  ['?[a-c][!0-9]', ['xaz', 'xb-'], ['xa1', 'xdz', 'xa/']],
  ['a[z-a]b', ['a-b', 'azb', 'aab'], ['amb']],
  ['[]x]', [']', 'x'], ['[']],
  ['a[b', ['a[b'], ['ab']],
  ['a+(b).{c}|^$', ['a+(b).{c}|^$'], ['aab.c']],
  ['.*', ['.a'], ['a']],
  ['**/a/**/b', ['a/b', 'a/a/b', 'x/a/y/z/b'], ['b', 'a/.x/b', 'a/b/c']],
  ['*a*b?', ['abc', 'xaabbc'], ['ab', 'bac']],
  ['[!]a', ['[!]a'], ['xa']],
  ['?', ['\u{1f600}'], ['ab', '']],
])('%s', (pattern, yes, no) => {
  expect(globProblem(pattern)).toBeUndefined();
  const matches = globMatcher(pattern);
  expect(yes.filter((path) => !matches(path))).toEqual([]);
  expect(no.filter(matches)).toEqual([]);
});

test.each(['/a', '../a', 'a/../b', 'a//b', './a', 'a/', ''])('%j is none', (pattern) => {
  expect(globProblem(pattern)).toBeTypeOf('string');
});

test('a pattern with many stars takes no longer than its length', () => {
  const began = performance.now();
  expect(globMatcher(`${'*a'.repeat(100)}b`)('a'.repeat(250))).toBe(false);
  expect(globMatcher(`${'**/'.repeat(100)}b`)(`${'a/'.repeat(1000)}a`)).toBe(false);
  // As a regular expression each took longer than anybody would wait.
  expect(performance.now() - began).toBeLessThan(atPace(5000));
});
