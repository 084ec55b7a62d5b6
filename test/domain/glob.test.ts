import { expect, test } from 'vitest';
import { globMatcher, globProblem } from '../../src/domain/glob.js';

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
])('%s', (pattern, yes, no) => {
  expect(globProblem(pattern)).toBeUndefined();
  const matches = globMatcher(pattern);
  expect(yes.filter((path) => !matches(path))).toEqual([]);
  expect(no.filter(matches)).toEqual([]);
});

test.each(['/a', '../a', 'a/../b', 'a//b', './a', 'a/', ''])('%j is none', (pattern) => {
  expect(globProblem(pattern)).toBeTypeOf('string');
});
