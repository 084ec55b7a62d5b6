import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  jsonObject,
  jsonOf,
  keepMembers,
  member,
  members,
  parseJsonText,
  plain,
  rawJson,
  rawMember,
  withMember,
  withMembers,
  writeJsonText,
} from '../../../src/domain/json/json-text.js';
import { PenstockError } from '../../../src/lib/errors.js';

const number = fc.constantFrom(
  '1',
  '1.0',
  '1e5',
  '1E+5',
  '-0',
  '-0.0',
  '12345678901234567890',
  '0.1000',
  '1e400',
);
const string = fc.oneof(
  fc.string({ unit: 'binary' }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0061"', '"NaN"', '"\\""', '"\\\\"', '"a \\\\\\" Infinity [{"', '"\u2028"'),
);
const key = fc.oneof(
  string,
  fc.constantFrom('"1"', '"0"', '"__proto__"', '"constructor"', '"NaN"', '"\\u0031"'),
);
const blank = fc.constantFrom('', ' ', '\n\t', '\r\n  ');

/** Texts of every sort of JSON, with blanks, duplicate keys and numbers in many spellings. */
const { json } = fc.letrec<{ json: string; array: string; object: string }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(number, string, fc.constantFrom('true', 'false', 'null')),
    tie('array'),
    tie('object'),
  ),
  array: fc
    .tuple(fc.array(tie('json'), { maxLength: 4 }), blank)
    .map(([items, space]) => `[${space}${items.join(`${space},`)}${space}]`),
  object: fc
    .tuple(fc.array(fc.tuple(key, tie('json')), { maxLength: 4 }), blank)
    .map(
      ([entries, space]) => `{${entries.map(([name, item]) => `${space}${name}:${space}${item}`).join()}}`,
    ),
}));

const entry = fc.tuple(key, json);
/** Not `toStrictEqual`, which is confused by a key `constructor`. */
const same = (one: unknown, other: unknown) => expect(isDeepStrictEqual(one, other)).toBe(true);
const always = <T>(arbitrary: fc.Arbitrary<T>, check: (value: T) => unknown) =>
  fc.assert(
    fc.property(arbitrary, (value) => {
      check(value);
    }),
  );
const objectOf = (entries: [string, string][]) =>
  `{${entries.map(([name, item]) => `${name}: ${item}`).join(', ')}}`;
/** Written again from its parts, as if all of it had been changed. */
const rewritten = (text: string) => writeJsonText(keepMembers(parseJsonText(text), () => true));

function errorOf(text: string): PenstockError {
  try {
    parseJsonText(text);
  } catch (error) {
    if (error instanceof PenstockError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe('reading and writing', () => {
  test('what was not changed is written to the letter', () => {
    always(json, (text) => expect(writeJsonText(parseJsonText(text))).toBe(text));
  });

  test('the plain value is what JSON.parse makes of it', () => {
    always(json, (text) => same(plain(parseJsonText(text)), JSON.parse(text)));
  });

  test('rebuilding an object keeps its meaning, and the spelling of each key and value', () => {
    const distinct = fc.uniqueArray(entry, {
      selector: ([name]) => JSON.parse(name) as string,
      maxLength: 6,
    });
    always(distinct.map(objectOf), (text) => expect(rewritten(text)).toBe(text));
    always(fc.array(entry, { maxLength: 6 }).map(objectOf), (text) =>
      same(JSON.parse(rewritten(text)), JSON.parse(text)),
    );
  });

  test('a plain value becomes a tree of the same meaning', () => {
    always(fc.jsonValue(), (item) => same(plain(jsonOf(item)), item));
    always(fc.jsonValue(), (item) => same(JSON.parse(writeJsonText(jsonOf(item))), item));
  });

  test('numbers that JavaScript does not keep, and what it has no number for', () => {
    const text = '[1.0, 12345678901234567890, -0, NaN, -Infinity, "NaN", {"Infinity": Infinity}]';
    const node = parseJsonText(text);
    expect(writeJsonText(node)).toBe(text);
    const infinite = { Infinity: Number.POSITIVE_INFINITY };
    expect(plain(node)).toStrictEqual([
      1,
      12345678901234567000,
      -0,
      Number.NaN,
      Number.NEGATIVE_INFINITY,
      'NaN',
      infinite,
    ]);
    expect(writeJsonText(jsonOf({ a: [Number.NaN, infinite], b: undefined, c: [undefined] }))).toBe(
      '{"a": [NaN, {"Infinity": Infinity}], "c": [null]}',
    );
  });
});

describe('members', () => {
  const node = parseJsonText('{"2": 1.0, "b": 1, "1": 2, "b": 3.50, "__proto__": {"x": 0}}');

  test('keep their order, and the last duplicate wins at the place of the first', () => {
    expect(members(node).map(([name, item]) => [name, writeJsonText(item)])).toEqual([
      ['2', '1.0'],
      ['b', '3.50'],
      ['1', '2'],
      ['__proto__', '{"x": 0}'],
    ]);
    expect(plain(member(node, 'b') ?? jsonOf(null))).toBe(3.5);
    expect(member(node, 'x')).toBeUndefined();
    expect(member(node, 'constructor')).toBeUndefined();
    expect(Object.keys(plain(node) as object)).toContain('__proto__');
  });

  test('are replaced in their place or appended', () => {
    expect(writeJsonText(withMember(node, 'b', rawJson('5400.0')))).toBe(
      '{"2": 1.0, "b": 5400.0, "1": 2, "__proto__": {"x": 0}}',
    );
    const more = withMembers(parseJsonText('{ "\\u0061":1 }'), [
      ['__proto__', jsonOf('p')],
      ['0', jsonOf([])],
      ['a', parseJsonText('[1,  2]')],
    ]);
    expect(writeJsonText(more)).toBe('{"\\u0061": [1,  2], "__proto__": "p", "0": []}');
    expect(writeJsonText(keepMembers(more, (name) => name === '0'))).toBe('{"0": []}');
  });

  test('of what is no object there are none, and it counts as an empty one', () => {
    for (const text of ['1', '"a"', '[{"a": 1}]', 'null', 'NaN']) {
      expect(members(parseJsonText(text))).toEqual([]);
      expect(member(parseJsonText(text), 'a')).toBeUndefined();
      expect(writeJsonText(withMember(parseJsonText(text), 'a', rawJson('1')))).toBe('{"a": 1}');
    }
    expect(writeJsonText(jsonObject([]))).toBe('{}');
  });
});

describe('rawMember', () => {
  test('gives the text as it stands, of the last duplicate', () => {
    fc.assert(
      fc.property(json, json, blank, (value, other, space) => {
        const text = `{"a": ${other}, "input":${space}${value}${space}, "b": {"input": 0}}`;
        expect(rawMember(text, 'input')).toBe(value);
        expect(rawMember(`{"input": ${other}, "input": ${value}}`, 'input')).toBe(value);
      }),
    );
    expect(rawMember('{"input": [ 1,\n 2.0 , NaN ], "b": 1}', 'input')).toBe('[ 1,\n 2.0 , NaN ]');
    expect(rawMember('{"b": 1}', 'input')).toBeUndefined();
    expect(rawMember('["input", 1]', 'input')).toBeUndefined();
  });
});

describe('what is no JSON', () => {
  test.each([
    ['', 'line 1, column 1'],
    ['{"a": x}', 'line 1, column 7'],
    ['[1,\n 2,]', 'line 2, column 4'],
    ['[1] // why', 'line 1, column 5'],
    ['"a\nb"', 'line 1, column 1'],
    ['{"a": 1}\n}', 'line 2, column 1'],
    ['1NaN', 'line 1, column 1'],
    ['NaN.5', 'line 1, column 1'],
    ['-NaN', 'line 1, column 1'],
    ['{NaN: 1}', 'line 1, column 2'],
    ["{'a': 1}", 'line 1, column 2'],
    ['[01]', 'line 1, column 2'],
    ['\ufeff1', 'line 1, column 1'],
  ])('%j: %s', (text, where) => {
    const error = errorOf(text);
    expect(error.code).toBe('bad-json');
    expect(error.message).toContain(where);
  });

  test('exactly what JSON.parse takes is taken', () => {
    const bits = [
      '"',
      '\\',
      'u0061',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '1',
      '-',
      '.',
      'e',
      'true',
      ' ',
      '\n',
      '\t',
    ];
    const odd = ['/', '*', '\u00a0', '\u0000', '\ud800', '\f', '\u2028', '\ufeff', 'null', '0', '+'];
    const taken = (read: () => unknown) => {
      try {
        read();
        return true;
      } catch {
        return false;
      }
    };
    const text = fc.oneof(
      fc.array(fc.constantFrom(...bits, ...odd), { maxLength: 12 }).map((parts) => parts.join('')),
      fc.tuple(json, fc.nat(), fc.constantFrom(...bits, ...odd)).map(([base, at, bit]) => {
        const place = at % (base.length + 1);
        return base.slice(0, place) + bit + base.slice(place);
      }),
    );
    fc.assert(
      fc.property(text, (sample) => {
        expect(taken(() => parseJsonText(sample))).toBe(taken(() => JSON.parse(sample)));
      }),
      { numRuns: 3000 },
    );
  });

  test('however deep it is nested, the error is a clean one', () => {
    const deep = 'nested deeper than 200 levels';
    for (const start of ['[', '{"a":', '[[{"a": 1},', '{"a": [NaN, ']) {
      expect(errorOf(start.repeat(100_000)).message).toContain(deep);
    }
    expect(errorOf('["x\n'.repeat(100_000)).code).toBe('bad-json');
    expect(errorOf('['.repeat(100_000) + ']'.repeat(100_000)).message).toContain(deep);
    expect(errorOf('['.repeat(201) + ']'.repeat(201)).message).toContain('line 1, column 201');
    const lawful = `${'['.repeat(200)}NaN${']'.repeat(200)}`;
    expect(writeJsonText(parseJsonText(lawful))).toBe(lawful);
  });
});
