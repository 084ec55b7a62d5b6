import fc from 'fast-check';
import { expect, test } from 'vitest';
import { schema } from '../../src/lib/schemas.js';
import { parseSize } from '../../src/lib/size.js';
import { compile } from '../support/compile.js';

test.each([
  [0, 0],
  [4096, 4096],
  ['4096', 4096],
  ['7B', 7],
  ['10KB', 10_000],
  ['10KiB', 10_240],
  ['512mb', 512_000_000],
  ['2GiB', 2_147_483_648],
  ['1TB', 1e12],
  ['1 TiB', 2 ** 40],
  [' 1.5 KB ', 1500],
  ['0.1KiB', 102],
])('%j is %d bytes', (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each([
  '',
  'KB',
  '10K',
  '10Ki',
  '-1KB',
  '1e3',
  '1.KB',
  '.5KB',
  '1,000',
  '10 K B',
  'toString',
  '1constructor',
  '9999999TiB',
  1.5,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
])('%j is no size', (text) => {
  expect(parseSize(text)).toBeUndefined();
});

test('a number of bytes is itself, as text too', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(parseSize(bytes)).toBe(bytes);
      expect(parseSize(String(bytes))).toBe(bytes);
      expect(parseSize(`${bytes}B`)).toBe(bytes);
    }),
  );
});

test('each unit is so many of the one before, in any case of letters', () => {
  const ladders = [
    ['B', 'KB', 'MB', 'GB', 'TB'],
    ['B', 'KiB', 'MiB', 'GiB', 'TiB'],
  ];
  const units = ladders.flatMap((ladder, index) =>
    ladder.slice(1).map((unit, step) => ({ unit, lower: ladder[step], times: index === 0 ? 1000 : 1024 })),
  );
  fc.assert(
    fc.property(
      fc.nat(8000),
      fc.constantFrom(...units),
      fc.boolean(),
      (count, { unit, lower, times }, small) => {
        expect(parseSize(`${count}${small ? unit.toLowerCase() : unit}`)).toBe(
          parseSize(`${count * times}${lower}`),
        );
      },
    ),
  );
});

test('whatever text comes, the answer is a whole number of bytes or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^ ?[0-9.]{1,9} ?[KMGTkib]{0,4}$/)), (text) => {
      const bytes = parseSize(text);
      expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true);
    }),
  );
});

test('the schema takes for a size what can be read as one', () => {
  const { $defs } = schema('process-definition') as { $defs: { size: object } };
  const check = compile($defs.size);
  const text = fc.oneof(fc.string(), fc.stringMatching(/^ ?[0-9]{1,3}(\.[0-9]{1,2})? ?[KMGTkib]{0,3} ?$/));
  fc.assert(
    fc.property(text, (candidate) => {
      expect(check(candidate).length === 0).toBe(parseSize(candidate) !== undefined);
    }),
    { numRuns: 1000 },
  );
});
