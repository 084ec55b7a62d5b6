import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bounds } from '../../../src/domain/bounds.js';
import { checkJsonBounds } from '../../../src/domain/json/json-bounds.js';
import { PenstockError } from '../../../src/lib/errors.js';

/** The code and text of what is refused; undefined for what is taken. */
function refusal(text: string, most?: number): { code: string; detail: string } | undefined {
  try {
    checkJsonBounds(text, most);
    return undefined;
  } catch (error) {
    if (error instanceof PenstockError) return { code: error.code, detail: error.message };
    throw error;
  }
}

const valuesOf = (value: unknown): number =>
  typeof value === 'object' && value !== null
    ? Object.values(value).reduce((sum: number, item) => sum + valuesOf(item), 1)
    : 1;

test('counts the values of any JSON, however it is laid out', () => {
  const odd = fc.string({ unit: fc.constantFrom('"', '\\', ',', ':', '[', '{', '}', ']', 'é', '1', '\n') });
  fc.assert(
    fc.property(
      fc.jsonValue({ stringUnit: 'binary' }),
      odd,
      fc.constantFrom(0, 1, '\t'),
      (value, text, indent) => {
        const whole = { [text]: value, list: [text, value, text] };
        const written = JSON.stringify(whole, null, indent);
        const values = valuesOf(JSON.parse(written));
        expect(refusal(written, values)).toBeUndefined();
        expect(refusal(written, values - 1)?.code).toBe('too-large');
      },
    ),
  );
});

test('leaves what is no JSON to the parser, and comes to an end', () => {
  const broken = fc.string({
    unit: fc.constantFrom('"', '\\', ',', ':', '[', '{', '}', ']', 'a', '-', ' ', '/'),
  });
  fc.assert(
    fc.property(broken, (text) => {
      expect(refusal(text)).toBeUndefined();
    }),
  );
});

describe('takes what is at a bound, and refuses one more', () => {
  const many = (count: number, item: (index: number) => string) =>
    Array.from({ length: count }, (_, n) => item(n)).join();
  const list = (count: number) => `{"a": [${many(count, () => '7')}]}`;
  const object = (count: number) => `[{"b": {${many(count, (n) => `"k${n}": 0`)}}}]`;
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}0${'}]'.repeat(depth / 2)}`;
  const key = (length: number) => JSON.stringify({ c: { ['é'.repeat(length)]: 1 } });
  const escaped = (length: number) => `{"c": {"${'\\u00e9'.repeat(length)}": 1}}`;
  const number = (length: number) => `{"d": [1, ${'9'.repeat(length)}]}`;
  test.each<[string, (size: number) => string, number, number, string, RegExp]>([
    ['values', list, bounds.values - 2, 1, 'too-large', /^\/a: .*50,000 values/],
    ['keys', object, bounds.keys, 1, 'too-large', /^\/0\/b: .*10,000 keys/],
    ['levels', nested, bounds.depth, 2, 'bad-json', /deeper than 200 levels/],
    ['a key', key, bounds.keyLength, 1, 'bad-json', /^\/c: .*1,000 characters; "é+…" has 1001$/],
    ['an escaped key', escaped, bounds.keyLength, 1, 'bad-json', /^\/c: .*1,000 characters; "é+…" has 1001$/],
    ['a number', number, bounds.numberLength, 1, 'bad-json', /^\/d: .*1,000 characters; 9+… has 1001$/],
  ])('%s', (_what, make, most, step, code, words) => {
    expect(refusal(make(most))).toBeUndefined();
    const found = refusal(make(most + step));
    expect(found?.code).toBe(code);
    expect(found?.detail).toMatch(words);
    expect(found?.detail.length).toBeLessThan(300);
  });
});

test('a text of megabytes with nothing but escapes is no work', () => {
  const started = process.cpuUsage();
  expect(refusal(`["${'\\"'.repeat(2_000_000)}"]`)).toBeUndefined();
  expect(refusal(`[${'"\\\\", '.repeat(600_000)}1]`)?.code).toBe('too-large');
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e6).toBeLessThan(2);
});
