import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonItems, LineEnds } from '../../../src/domain/pipelines/items.js';

/** The lines of bytes that come in these pieces. */
function linesOf(pieces: readonly Uint8Array[]): string[] {
  const lines = new LineEnds();
  for (const piece of pieces) lines.add(piece);
  lines.finish();
  const all = Buffer.concat(pieces);
  return lines.ends.map((end, index) => all.subarray(lines.ends[index - 1] ?? 0, end).toString('latin1'));
}

test('lines: all bytes, in order, however they come; each but the last ends with its line feed', () => {
  const byte = fc.oneof(fc.constant(10), fc.nat(255));
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }),
      fc.array(byte),
      (pieces, more) => {
        const all = [...pieces, Uint8Array.from(more)];
        const lines = linesOf(all);
        const text = Buffer.concat(all).toString('latin1');
        expect(lines.join('')).toBe(text);
        expect(lines).toEqual(text.match(/[^\n]*\n|[^\n]+$/g) ?? []);
      },
    ),
  );
});

test.each([
  ['[]', []],
  ['["a", "b\\n\\u00e9"]', ['a', 'b\né']],
  [
    '[1.0, 1e400, 12345678901234567890, true, null]',
    ['1.0', '1e400', '12345678901234567890', 'true', 'null'],
  ],
  [' [ {"b": 1, "a" : [ ]} , [1 ,2] ] ', ['{"b": 1, "a" : [ ]}', '[1 ,2]']],
])('elements of %s', (text, items) => {
  expect(jsonItems(text)).toEqual(items);
});

test.each(['', '{}', '"a"', '[1', 'nonsense'])('%j is no array', (text) => {
  expect(() => jsonItems(text)).toThrow();
});
