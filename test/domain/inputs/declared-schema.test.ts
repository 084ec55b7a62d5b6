import { describe, expect, test } from 'vitest';
import { schemaProblems } from '../../../src/domain/inputs/declared-schema.js';
import { compileSchema, type ValueSchema } from '../../../src/lib/value-schema.js';

const detailsOf = (schema: ValueSchema) => schemaProblems(schema, '', ['secret']).map(({ detail }) => detail);

describe('a schema that a user declares', () => {
  test('may refer to places inside itself', () => {
    const word = { type: 'string', pattern: '^[a-z]+$' };
    const schema = { type: 'array', items: { $ref: '#/$defs/word' }, $defs: { word } };
    expect(detailsOf(schema)).toEqual([]);
    const check = compileSchema(schema);
    expect(Array.isArray(check) ? check : [check(['a']), check(['A']).length]).toEqual([[], 1]);
  });

  test.each([
    ['to itself', { properties: { a: { $ref: '#' } } }],
    [
      'to what contains it',
      {
        $defs: { a: { items: { $ref: '#/$defs/b' } }, b: { items: { $ref: '#/$defs/a' } } },
        $ref: '#/$defs/a',
      },
    ],
  ])('is refused if it refers %s: values could be checked for ever', (_what, schema) => {
    expect(detailsOf(schema)).toEqual([expect.stringContaining('refers to itself')]);
  });

  test('is refused if its references double again and again', () => {
    const levels = 30;
    const $defs = Object.fromEntries(
      Array.from({ length: levels }, (_, level) => [
        `d${level}`,
        level === levels - 1
          ? { type: 'string' }
          : { allOf: [{ $ref: `#/$defs/d${level + 1}` }, { $ref: `#/$defs/d${level + 1}` }] },
      ]),
    );
    const before = performance.now();
    expect(detailsOf({ $ref: '#/$defs/d0', $defs })).toEqual([
      expect.stringContaining('more than 1,000 schemas'),
    ]);
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test.each([
    'http://example.org/schema',
    '#/$defs/none',
    'other.json',
    7,
  ])('is refused if it refers to %s', ($ref) => {
    expect(detailsOf({ $ref })).toEqual([
      expect.stringContaining('must lead to a schema of this declaration'),
    ]);
  });

  test('has our keywords only at its top', () => {
    expect(detailsOf({ type: 'array', items: { type: 'string', secret: true } })).toEqual([
      '"secret" belongs at the top of the declaration, not inside it',
    ]);
  });

  test('runs its patterns in a time linear in the text', () => {
    const check = compileSchema({ type: 'string', pattern: '^(a+)+$' });
    if (Array.isArray(check)) throw new Error(JSON.stringify(check));
    const before = performance.now();
    expect(check(`${'a'.repeat(100_000)}b`)).toHaveLength(1);
    // What would take longer is refused.
    expect(check('a'.repeat(10_000_000))).toEqual([
      expect.objectContaining({ detail: expect.stringContaining('too long') }),
    ]);
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('keeps formats from long texts', () => {
    const check = compileSchema({ type: 'string', format: 'email' });
    if (Array.isArray(check)) throw new Error(JSON.stringify(check));
    expect([check('a@b.org'), check(`${'a'.repeat(5000)}@b.org`).length]).toEqual([[], 1]);
  });
});
