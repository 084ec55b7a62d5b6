import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apart, escapedNote, shownName } from '../../src/domain/shown-name.js';

/** Names as a disk may have them: no slash and no NUL, at most 255 bytes, mostly odd ones. */
const byte = fc.oneof(fc.integer({ min: 0x80, max: 0xff }), fc.constantFrom(...Buffer.from('a%F.~é€')));
const diskName = fc.array(byte, { minLength: 1, maxLength: 255 }).map((bytes) => Buffer.from(bytes));

test('a name that is text stays, any other is one of text that fits on a disk', () => {
  fc.assert(
    fc.property(diskName, (bytes) => {
      const { name, escaped } = shownName(bytes);
      const isText = Buffer.from(bytes.toString()).equals(bytes);
      expect(escaped).toBe(!isText);
      if (isText) expect(name).toBe(bytes.toString());
      else expect(name).not.toContain('\ufffd');
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      expect((name as string & { isWellFormed(): boolean }).isWellFormed()).toBe(true);
    }),
  );
});

test('different names on a disk are told by different names', () => {
  fc.assert(
    fc.property(fc.uniqueArray(diskName, { selector: (bytes) => bytes.toString('hex') }), (all) => {
      // Those as well that look like what others become.
      const known = new Set(all.map((bytes) => bytes.toString('hex')));
      const alike = all
        .map((bytes) => Buffer.from(shownName(bytes).name))
        .filter((bytes) => !known.has(bytes.toString('hex')));
      const unique = new Map([...all, ...alike].map((bytes) => [bytes.toString('hex'), bytes]));
      const shown = apart([...unique.values()].map((bytes) => ({ ...shownName(bytes), bytes })));
      expect(new Set(shown.map(({ name }) => name)).size).toBe(unique.size);
      for (const { name, escaped, bytes } of shown) if (!escaped) expect(name).toBe(bytes.toString());
    }),
  );
});

test('what is text within such a name can be read', () => {
  const name = (...parts: (string | number[])[]) =>
    shownName(Buffer.concat(parts.map((part) => Buffer.from(part as string)))).name;
  expect(name('caf', [0xe9], '.txt')).toBe('caf%E9.txt');
  expect(name('100% ', [0xff])).toBe('100%25 %FF');
  expect(name('日本', [0x93, 0xfa])).toBe('日本%93%FA');
  expect(name([0xed, 0xa0, 0x80])).toBe('%ED%A0%80');
});

test('it is told in a sentence', () => {
  expect(escapedNote([], 'x')).toBeNull();
  expect(escapedNote(['a%FF'], 'the output folder')).toBe(
    'The name of a file in the output folder is not UTF-8; it is kept as "a%FF".',
  );
  expect(escapedNote(['a%FF', 'b%FF'], 'the output folder')).toMatch(/^The names of 2 files .*"a%FF"\.$/);
});
