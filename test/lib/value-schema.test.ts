import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Problem } from '../../src/lib/errors.js';
import { compileSchema, type ValueSchema } from '../../src/lib/value-schema.js';

function problems(schema: ValueSchema, value: unknown): Problem[] {
  const check = compileSchema(schema, '/schema');
  if (Array.isArray(check)) throw new Error(JSON.stringify(check));
  return check(value, '/value');
}

describe('the check of a schema', () => {
  test('keeps patterns apart', () => {
    for (const [pattern, good, bad] of [
      ['^a', 'ab', 'b'],
      ['^b', 'b', 'ab'],
      ['[0-9]$', 'x1', '1x'],
    ] as const) {
      expect(problems({ type: 'string', pattern }, good)).toEqual([]);
      expect(problems({ type: 'string', pattern }, bad)).toMatchObject([{ pointer: '/value' }]);
    }
    const both = {
      type: 'object',
      patternProperties: { '^a': { type: 'string' }, '^b': { type: 'number' } },
    };
    expect(problems(both, { a: 'x', b: 1 })).toEqual([]);
    expect(problems(both, { a: 1, b: 'x' }).map(({ pointer }) => pointer)).toEqual(['/value/a', '/value/b']);
  });

  test('matches a pattern in a time linear in the text', () => {
    const schema = { type: 'string', pattern: '^(a+)+$' };
    expect(problems(schema, 'a'.repeat(50_000))).toEqual([]);
    expect(problems(schema, `${'a'.repeat(50_000)}b`)).toHaveLength(1);
  });

  test('refuses a text that would take its pattern too long, and matches the next one', () => {
    const check = compileSchema({ type: 'string', pattern: '^([\\p{L}\\d]{1,50}[ -]?)+$' });
    if (Array.isArray(check)) throw new Error(JSON.stringify(check));
    expect(check('aé'.repeat(131_000), '/x')).toEqual([
      { pointer: '/x', detail: 'this is too long to be compared with its pattern' },
    ]);
    expect(check('aé')).toEqual([]);
  });

  test('says what is wrong with a pattern that it cannot match in linear time', () => {
    for (const pattern of ['(?=a)', '(a)\\1', '(?<!b)a'])
      expect(compileSchema({ type: 'string', pattern }, '/schema')).toMatchObject([{ pointer: '/schema' }]);
  });

  test('finds items that are the same, as JSON Schema has it', () => {
    const json = fc.jsonValue({ maxDepth: 2 });
    const same = (a: unknown, b: unknown) =>
      problems({ type: 'array', uniqueItems: true }, [a, b]).length > 0;
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(same(a, structuredClone(a))).toBe(true);
        expect(same(a, [a])).toBe(false);
        if (same(a, b)) expect(a).toEqual(b);
      }),
    );
    expect(same({ a: 1, b: 2 }, { b: 2, a: 1 })).toBe(true);
    expect(same(0, -0)).toBe(true);
    expect(same(1, '1')).toBe(false);
    expect(same(1, true)).toBe(false);
    const twice = [{ a: 1 }, { a: 2 }, { a: 1 }];
    expect(problems({ type: 'array', uniqueItems: true }, twice)).toEqual([
      { pointer: '/value', detail: 'this has the same item twice, at 0 and 2' },
    ]);
    expect(problems({ type: 'array', uniqueItems: false }, twice)).toEqual([]);
  });

  test('tells one mistake of a value of many parts, not millions', () => {
    const schema = {
      type: 'array',
      allOf: Array.from({ length: 400 }, () => ({ items: { type: 'string' } })),
    };
    const loose = { ...schema, allOf: schema.allOf.map((one) => ({ type: 'array', ...one })) };
    expect(problems(loose, [1, 'a', 2]).map(({ pointer }) => pointer)).toEqual(['/value/0', '/value/2']);
    const many = Array.from({ length: 10_000 }, (_, index) => index);
    expect(problems(loose, many)).toEqual([
      { pointer: '/value/0', detail: expect.stringContaining('must be a string') },
    ]);
    expect(problems(loose, many.map(String))).toEqual([]);
  });

  test('is right after many others, too', () => {
    for (let index = 0; index < 600; index += 1) {
      const schema = { type: 'string', pattern: `^${index}$` };
      expect(problems(schema, String(index))).toEqual([]);
      expect(problems(schema, 'x')).toHaveLength(1);
    }
  });
});
