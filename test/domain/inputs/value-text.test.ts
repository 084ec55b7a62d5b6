import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { argumentsOf } from '../../../src/domain/inputs/argument.js';
import { isExact, plainDecimal, textOf, valueOfTexts } from '../../../src/domain/inputs/value-text.js';

describe('plainDecimal', () => {
  test.each([
    [1e21, '1000000000000000000000'],
    [1.5e-7, '0.00000015'],
    [-2.5e22, '-25000000000000000000000'],
    [-0, '0'],
    [0.1, '0.1'],
  ])('%d is %s', (number, text) => {
    expect(plainDecimal(number)).toBe(text);
  });

  test('has no exponent, and means the same number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        const text = plainDecimal(number);
        expect(text).toMatch(/^-?\d+(\.\d+)?$/);
        expect(Number(text)).toBe(Object.is(number, -0) ? 0 : number);
      }),
    );
  });
});

describe('isExact', () => {
  test.each(['0.1', '1.0', '1e3', '-0', '100000000000000000000', '0.1e1', '12.50'])('%s is', (text) => {
    expect(isExact(text)).toBe(true);
  });
  test.each(['12345678901234567890', '0.12345678901234567891', '9007199254740993'])('%s is not', (text) => {
    expect(isExact(text)).toBe(false);
  });
  test('every number as JavaScript writes it is', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        expect(isExact(JSON.stringify(number))).toBe(true);
      }),
    );
  });
});

describe('valueOfTexts', () => {
  test.each([
    [{ type: 'integer' }, ['12'], 12],
    [{ type: 'integer' }, ['1.5'], 1.5],
    [{ type: 'integer' }, ['x'], 'x'],
    [{ type: 'integer' }, ['12345678901234567890'], '12345678901234567890'],
    [{ type: 'string' }, ['12'], '12'],
    [{ type: 'string' }, [''], ''],
    [{ type: 'boolean' }, ['true'], true],
    [{ type: 'boolean' }, ['yes'], 'yes'],
    [{ type: ['integer', 'null'] }, ['null'], null],
    [{ type: 'array', items: { type: 'integer' } }, ['1', '2'], [1, 2]],
    [{ type: 'array', items: { type: 'integer' } }, ['[1, 2]'], [1, 2]],
    [{ type: 'array', items: { type: 'string' } }, ['a'], ['a']],
    [{ type: 'object' }, ['{"a": 1}'], { a: 1 }],
    [{}, ['12345678901234567890'], '12345678901234567890'],
    [{}, ['1.5'], 1.5],
    [{ enum: [1, 'two'] }, ['1'], 1],
    [{ enum: [1, 'two'] }, ['two'], 'two'],
    [{ type: 'string' }, ['a', 'b'], ['a', 'b']],
  ])('%j: %j is %j', (schema, texts, value) => {
    expect(valueOfTexts(schema, texts)).toEqual(value);
  });

  test('a value written as a program sees it is read back as itself', () => {
    const cases = fc.oneof(
      fc.record({ schema: fc.constant({ type: 'string' }), value: fc.string({ unit: 'binary' }) }),
      fc.record({ schema: fc.constant({ type: 'integer' }), value: fc.integer() }),
      fc.record({ schema: fc.constant({ type: 'boolean' }), value: fc.boolean() }),
    );
    fc.assert(
      fc.property(cases, ({ schema, value }) => {
        expect(valueOfTexts(schema, [textOf(value)])).toEqual(value);
      }),
    );
  });
});

describe('argumentsOf', () => {
  const x = 'x';
  test.each([
    [{ input: x, prefix: '-b:a', text: '${value}k' }, '128', ['-b:a', '128k']],
    [{ input: x, prefix: '-b:a', separate: false }, '128', ['-b:a128']],
    [{ input: x, prefix: '-ac', text: '1' }, true, ['-ac', '1']],
    [{ input: x, prefix: '-ac' }, true, ['-ac']],
    [{ input: x, text: '--mono' }, true, ['--mono']],
    [{ input: x, prefix: '-ac' }, false, []],
    [{ input: x, prefix: '-a' }, null, []],
    [{ input: x, prefix: '-t', each: true }, ['a', 'b'], ['-t', 'a', '-t', 'b']],
    [{ input: x, prefix: '-t=', separate: false, each: true }, ['a', 'b'], ['-t=a', '-t=b']],
    [{ input: x, prefix: '-t' }, ['a', 'b'], ['-t', 'a', 'b']],
    [{ input: x, join: ',' }, ['a', 'b'], ['a,b']],
    [{ input: x, prefix: '-t', join: ',', text: '[${value}]' }, ['a', 'b'], ['-t', '[a,b]']],
    [{ input: x, prefix: '-t', each: true }, [], []],
    [{ input: x }, '', ['']],
    [{ input: x, text: '$${value}' }, 'v', ['${value}']],
  ])('%j with %j is %j', (element, value, words) => {
    expect(argumentsOf(element, value)).toEqual(words);
  });
});
