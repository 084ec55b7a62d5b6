import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { productText, startNode, type TestNode } from '../../support/node.js';
import { atPace } from '../../support/pace.js';

let node: TestNode;
beforeAll(async () => {
  node = await startNode();
});
afterAll(() => node.server.remove());

/** The whole answer to an echo: nothing of it is anybody else's. */
async function echoed(text: string): Promise<string> {
  const answer = await node.call('POST', 'echo', text);
  const found = /^\{"result": ([\s\S]*), "message": "", "timestamp": \d+\.\d{6}\}$/.exec(answer.text);
  if (answer.status !== 200 || found === null) throw new Error(`${answer.status}: ${answer.text}`);
  return found[1] ?? '';
}

test.each([
  ['numbers as they are written', '[1, 1.0, 1.50, -0, -0.0, 0e0, 1e5, 1E+5, 1e-400, 1e999]'],
  ['integers of any size', '[12345678901234567890, 9007199254740993, -99999999999999999999999999]'],
  ['the order of keys', '{"b": 1, "2": 2, "a": 3, "1": 4, "0.5": 5}'],
  ['keys twice', '{"a": 1, "a": 2.0, "b": {"a": 3, "a": 3}}'],
  ['what Python adds to JSON', '[NaN, Infinity, -Infinity, {"NaN": NaN}]'],
  ['texts with their escapes', '["\\u00e9é☃", "\\ud83d\\ude00😀", "\\ud800", "\\/\\n\\u0000", "NaN \\" ["]'],
  ['names that mean something to JavaScript', '{"__proto__": {"a": 1}, "constructor": null, "toJSON": 1}'],
  ['what looks like a request', '{"timeout": "none", "input": 5, "creator": []}'],
  ['blanks inside', '{ "a" :\t[ 1 ,\r\n 2 ] }'],
  ['a bare text', '"x"'],
  ['a bare number', '1.0'],
  ['a bare null', 'null'],
  ['false', 'false'],
  ['a Product of v0.6', productText('v0.6')],
  ['a Product of v0.8', productText('v0.8')],
])('%s', async (_what, text) => {
  expect(await echoed(text)).toBe(text);
});

test('nothing gives null, and blanks around a value are not part of it', async () => {
  expect(await echoed('')).toBe('null');
  expect(await echoed(' \n\t')).toBe('null');
  expect(await echoed(' \r\n{"a": 1}\t\n')).toBe('{"a": 1}');
});

test('deep nesting and much text come back, and what is too deep is refused', async () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  expect(await echoed(deep(200))).toBe(deep(200));
  for (const levels of [201, 100_000]) {
    const answer = await node.call('POST', 'echo', deep(levels));
    expect([answer.status, answer.json.message]).toEqual([400, expect.stringContaining('200 levels')]);
  }
  const large = `["${'é☃'.repeat(150_000)}", 1.0]`;
  expect(await echoed(large)).toBe(large);
});

test.each([
  '{',
  '[1,]',
  '{"a":1,}',
  "{'a':1}",
  '01',
  '+1',
  '.5',
  '1.',
  'nan',
  '-NaN',
  'NaN1',
  '// x\n1',
  '1 2',
  '"\t"',
])('%s is no JSON', async (text) => {
  const answer = await node.call('POST', 'echo', text);
  expect([answer.status, answer.json.error]).toEqual([400, 'Bad request.']);
  expect(answer.json.message).toMatch(/line \d+, column \d+/);
});

/** JSON texts with all the freedom of writing that JSON gives, which generators of values never use. */
const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,30})$/);
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits,
    fc.oneof(fc.constant(''), fc.stringMatching(/^\.[0-9]{1,20}$/)),
    fc.oneof(fc.constant(''), fc.stringMatching(/^[eE][+-]?[0-9]{1,3}$/)),
  )
  .map((parts) => parts.join(''));
const string = fc.oneof(
  fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
  fc.stringMatching(/^(\\u[0-9a-fA-F]{4}|\\["\\/bfnrt]|[ !#-[\]-~]){0,12}$/).map((text) => `"${text}"`),
  digits.map((text) => `"${text}"`),
  fc.constantFrom('"NaN"', '"a"', '"\\"Infinity"', '"__proto__"'),
);
const blank = fc.stringMatching(/^[ \t\r\n]{0,2}$/);
const { value: anyJson } = fc.letrec<{ value: string }>((tie) => {
  const list = (open: string, close: string, item: fc.Arbitrary<string>) =>
    fc
      .tuple(fc.array(item, { maxLength: 6 }), blank, blank)
      .map(([items, before, after]) => `${open}${before}${items.join(`${after},${before}`)}${after}${close}`);
  const pair = fc
    .tuple(string, blank, blank, tie('value'))
    .map(([key, before, after, value]) => `${key}${before}:${after}${value}`);
  return {
    value: fc.oneof(
      { maxDepth: 5, depthIdentifier: 'json' },
      fc.oneof(number, string, fc.constantFrom('true', 'false', 'null', 'NaN', '-Infinity', '{}', '[]')),
      list('[', ']', tie('value')),
      list('{', '}', pair),
    ),
  };
});

test('whatever JSON is sent comes back to the letter', { timeout: atPace(120_000) }, async () => {
  const seen = { numbers: 0, objects: 0 };
  await fc.assert(
    fc.asyncProperty(anyJson, async (text) => {
      seen.numbers += /\d\.\d+[eE]/.test(text) ? 1 : 0;
      seen.objects += text.startsWith('{') ? 1 : 0;
      expect(await echoed(text)).toBe(text);
    }),
    { numRuns: 500 },
  );
  expect(seen.numbers).toBeGreaterThan(5);
  expect(seen.objects).toBeGreaterThan(20);
});
