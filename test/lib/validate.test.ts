import { describe, expect, test } from 'vitest';
import { compile } from '../support/compile.js';

function details(schema: object, value: unknown): string[] {
  return compile(schema)(value, '/body').map(({ pointer, detail }) => `${pointer}: ${detail}`);
}

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });

describe('a union tells one tale', () => {
  const union = object({
    input: {
      anyOf: [
        object({ text: { type: 'string' } }, { required: ['text'], additionalProperties: false }),
        { type: 'string' },
        { type: 'null' },
      ],
    },
  });

  test.each([
    [5, ['/body/input: input must be an object, a string or null, not the number 5']],
    [{ txt: 'a' }, ['/body/input/txt: unknown key "txt" in input; did you mean "text"?']],
    [{ text: 5 }, ['/body/input/text: input.text must be a string, not the number 5']],
    [{}, ['/body/input/text: input.text is required but missing']],
  ])('%j', (input, expected) => {
    expect(details(union, { input })).toEqual(expected);
  });

  test('at the root, and through references', () => {
    const schema = {
      $defs: { a: { const: 'alpha' }, b: { enum: ['beta', 'gamma'] } },
      oneOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/b' }],
    };
    expect(details(schema, 'gama')).toEqual([
      '/body: this must be "alpha", "beta" or "gamma", not "gama"; did you mean "gamma"?',
    ]);
  });

  test('and leaves alone what is wrong beside it', () => {
    const schema = object(
      { a: { type: 'string' } },
      { required: ['b'], anyOf: [{ required: ['c'] }, { required: ['d'] }] },
    );
    const found = details(schema, { a: 1 });
    expect(found).toContain('/body/a: a must be a string, not the number 1');
    expect(found).toContain('/body/b: b is required but missing');
  });

  test('with more than one form given', () => {
    const schema = { oneOf: [{ type: 'integer' }, { type: 'number' }] };
    expect(details(schema, 5)).toEqual([
      '/body: this matches more than one of the allowed forms; use only one',
    ]);
  });
});

describe('every keyword has its sentence', () => {
  test.each<[object, unknown, string]>([
    [{ type: 'string', minLength: 3 }, 'ab', 'x must have at least 3 characters, not 2'],
    [{ type: 'string', maxLength: 1 }, 'ab', 'x may have at most 1 character, not 2'],
    [{ type: 'string', pattern: '^a' }, 'b', 'x must be text that matches ^a, not "b"'],
    [{ type: 'string', format: 'uri' }, 'b', 'x must be text of the format "uri", not "b"'],
    [{ type: 'number', multipleOf: 5 }, 7, 'x must be a multiple of 5, not 7'],
    [{ type: 'number', exclusiveMaximum: 5 }, 5, 'x must be less than 5, not 5'],
    [{ type: 'number', maximum: 5 }, 6, 'x must be 5 or less, not 6'],
    [{ type: 'array', minItems: 2 }, [1], 'x must have at least 2 items'],
    [{ type: 'array', maxItems: 1000 }, new Array(1001).fill(0), 'x may have at most 1,000 items, not 1001'],
    [{ type: 'array', uniqueItems: true }, [1, 2, 1], 'x has the same item twice, at 0 and 2'],
    [{ type: 'object', minProperties: 2 }, { a: 1 }, 'x must have at least 2 keys'],
    [{ type: 'object', maxProperties: 1 }, { a: 1, b: 2 }, 'x may have at most 1 key'],
    [{ type: 'boolean' }, 'yes', 'x must be true or false, not the text "yes"'],
    [{ const: 7 }, 8, 'x must be 7, not 8'],
    [{ type: ['string', 'null'] }, 8, 'x must be a string or null, not the number 8'],
    [false, 8, 'x is not allowed here'].slice() as [never, unknown, string],
    [{ not: { type: 'string' } }, 'a', 'x must be another value, not "a"'],
    [{ not: { const: 'a' }, 'x-expects': 'a name, and not a' }, 'a', 'x must be a name, and not a, not "a"'],
    [{ type: 'string', writeOnly: true }, 12345, 'x must be a string, not that'],
  ])('%j with %j', (schema, value, detail) => {
    expect(details(object({ x: schema }), { x: value })).toEqual([`/body/x: ${detail}`]);
  });
});

test('a long text is cut short in a message', () => {
  const [detail = ''] = details(object({ x: { enum: ['a', 'b'] } }), { x: 'y'.repeat(10_000) });
  expect(detail).toMatch(/^\/body\/x: x must be "a" or "b", not "y{60}…"$/);
});

test('no more than fifty problems are listed', () => {
  const schema = { type: 'array', items: { type: 'string' } };
  expect(details(schema, new Array(10_000).fill(1))).toHaveLength(50);
});

test('keys with slashes and tildes are escaped in the pointer', () => {
  const schema = object({}, { additionalProperties: false });
  expect(details(schema, { 'a/b~c': 1 })).toEqual(['/body/a~1b~0c: unknown key "a/b~c"']);
});

test('a required key that depends on another is named with it', () => {
  const schema = object({ a: {}, b: {} }, { dependentRequired: { a: ['b'] } });
  expect(details(schema, { a: 1 })).toEqual(['/body/b: b is required together with a']);
});
