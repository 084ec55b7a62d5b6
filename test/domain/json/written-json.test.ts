import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  copyWritten,
  parseWritten,
  stringifyWritten,
  writtenNumber,
} from '../../../src/domain/json/written-json.js';

describe('parseWritten and stringifyWritten', () => {
  test.each([
    '{"a":1.0,"b":[20000000000000000001,1,{"c":-0,"d\\"":1e5}],"s":"1.0, 2.0 \\" [{\\\\"}',
    '[0.10,[],[[9.50]],{},"[1.0",3.00]',
    '{"0":7.0,"__proto__":{"x":2.50},"constructor":1.0}',
    '[1e999]',
    `[${'9'.repeat(500)}]`,
  ])('%s is written as it was', (text) => {
    expect(stringifyWritten(parseWritten(text))).toBe(text);
  });

  test('values are those of JSON.parse, and plain ones are written as JSON.stringify does, indented or not', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(0, 2, 4), (text, indent) => {
        const value = JSON.parse(text);
        expect(parseWritten(text)).toEqual(value);
        expect(stringifyWritten(value, indent)).toBe(JSON.stringify(value, null, indent));
      }),
    );
  });

  test('any number in any place keeps its writing', () => {
    const number = fc
      .tuple(
        fc.boolean(),
        fc.nat(),
        fc.option(fc.stringMatching(/^\d{1,20}$/)),
        fc.option(fc.integer({ min: -20, max: 20 })),
      )
      .map(
        ([minus, whole, fraction, exponent]) =>
          `${minus ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}${exponent === null ? '' : `e${exponent}`}`,
      );
    const { tree } = fc.letrec<{ tree: string }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        number,
        fc.string().map((text) => JSON.stringify(text)),
        fc.array(tie('tree'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
        fc
          .uniqueArray(
            fc.tuple(
              fc.string().filter((key) => !/^\d+$/.test(key)),
              tie('tree'),
            ),
            {
              maxLength: 4,
              selector: ([key]) => key,
            },
          )
          .map(
            (entries) => `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`,
          ),
      ),
    }));
    fc.assert(
      fc.property(tree, (inner) => {
        const text = `[${inner}]`;
        expect(stringifyWritten(parseWritten(text))).toBe(text);
      }),
    );
  });

  test('of a key that comes twice the last one counts, with its own writing', () => {
    for (const [text, expected] of [
      ['{"a":1.0,"a":1}', '{"a":1}'],
      ['{"a":1,"a":1.0}', '{"a":1.0}'],
      ['{"a":{"x":2.0},"a":{"x":2}}', '{"a":{"x":2}}'],
      ['{"a":[3.0],"a":4,"b":5.0}', '{"a":4,"b":5.0}'],
    ] as const) {
      expect(stringifyWritten(parseWritten(text))).toBe(expected);
    }
  });

  test('a number that was changed is written as it is now', () => {
    const value = parseWritten('{"a":1.0,"b":2.0}') as Record<string, unknown>;
    value.a = 3;
    expect(stringifyWritten(value)).toBe('{"a":3,"b":2.0}');
    expect(writtenNumber(value, 'b', 2)).toBe('2.0');
    expect(writtenNumber(value, 'b', 5)).toBeUndefined();
  });

  test('a copy keeps what it is told to keep', () => {
    const value = parseWritten('{"a":1.0,"b":2.0}') as Record<string, unknown>;
    expect(stringifyWritten({ ...value })).toBe('{"a":1,"b":2}');
    expect(stringifyWritten(copyWritten(value, { c: 0, ...value, b: 9 }))).toBe('{"c":0,"a":1.0,"b":9}');
  });

  test('what is no JSON is refused as JSON.parse refuses it', () => {
    for (const text of ['', '{', '[01]', '1.', '{"a":1.0'])
      expect(() => parseWritten(text)).toThrow(SyntaxError);
  });
});
