import { describe, expect, test } from 'vitest';
import { ownKeywords } from '../../../src/domain/inputs/declaration.js';
import { schemaProblems } from '../../../src/domain/inputs/declared-schema.js';

const problems = (schema: object) => schemaProblems(schema as never, '/inputs/x', ownKeywords);

/** A chain of schemas, each of which refers to the next one twice: 2^depth schemas with each $ref followed. */
function doubling(depth: number): object {
  const next = (level: number) => ({ $ref: `#/$defs/s${level + 1}` });
  const levels = Array.from({ length: depth }, (_, level) => [
    `s${level}`,
    { type: 'object', properties: { a: next(level), b: next(level) } },
  ]);
  const $defs = { ...Object.fromEntries(levels), [`s${depth}`]: { type: 'string' } };
  return { $ref: '#/$defs/s0', $defs };
}

describe('a declared schema', () => {
  test.each([
    [{ type: 'string', minlength: 1 }, '/inputs/x/minlength', 'did you mean "minLength"?'],
    [{ type: 'string', qqqqqqqqqq: 1 }, '/inputs/x/qqqqqqqqqq', 'see docs/inputs.md'],
    [{ type: 'array', items: { optional: true } }, '/inputs/x/items/optional', 'belongs at the top'],
    [{ properties: { 'a/b': { maximun: 1 } } }, '/inputs/x/properties/a~1b/maximun', '"maximum"'],
    [{ anyOf: [{}, { typ: 'string' }] }, '/inputs/x/anyOf/1/typ', '"type"'],
    [{ type: 'string', format: 'emial' }, '/inputs/x/format', 'did you mean "email"?'],
    [{ $id: 'x' }, '/inputs/x/$id', 'unknown keyword'],
    [{ $dynamicRef: '#a' }, '/inputs/x/$dynamicRef', 'unknown keyword'],
  ])('says what is unknown, and the nearest: %j', (schema, pointer, detail) => {
    expect(problems(schema)).toEqual([{ pointer, detail: expect.stringContaining(detail) }]);
  });

  test.each([
    'https://example.org/schema.json',
    'other.json',
    '#anchor',
    '#/$defs/missing',
    '#/$defs/a/type',
    '#/$defs/%',
    '#/$defs/constructor',
    '#/$defs/__proto__',
    7,
  ])('refers to nothing but its own parts: %j', ($ref) => {
    const schema = { $ref, $defs: { a: { type: 'string' } } };
    const detail = expect.stringContaining('$ref must lead to a schema of this declaration');
    expect(problems(schema)).toEqual([{ pointer: '/inputs/x/$ref', detail }]);
  });

  test.each([
    [{ $ref: '#' }],
    [{ type: 'object', properties: { child: { $ref: '#' } } }],
    [{ $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { items: { $ref: '#/$defs/a' } } } }],
    [{ allOf: [{ not: { $ref: '#/allOf/0' } }] }],
  ])('is no circle: %j', (schema) => {
    const detail = 'it refers to itself through $ref; a declaration must be finite';
    expect(problems(schema)).toEqual([{ pointer: '/inputs/x', detail }]);
  });

  test('is bounded with each $ref followed, which takes no time to find out', () => {
    expect(problems(doubling(7))).toEqual([]);
    for (const depth of [10, 60, 1000]) {
      const detail = 'it holds more than 1,000 schemas, with each $ref followed';
      expect(problems(doubling(depth))).toEqual([{ pointer: '/inputs/x', detail }]);
    }
  });

  test('may have anything in what is data', () => {
    const data = {
      type: 'object',
      default: { minlength: 1, $ref: 'x' },
      enum: [{ foo: 1 }],
      const: { bar: 1 },
    };
    expect(problems(data)).toEqual([]);
  });
});
