import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileNameProblem } from '../../../src/domain/definitions/file-name.js';
import { checkFileDocument, type FileDocument, filesOf } from '../../../src/domain/json/file-document.js';

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

test('every document of good names and contents passes, and gives the bytes that it stands for', () => {
  const name = fc
    .oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.constantFrom('__proto__', 'constructor', '...', 'ä'),
    )
    .filter((text) => fileNameProblem(text) === undefined);
  const content = fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array());
  fc.assert(
    fc.property(fc.array(fc.tuple(name, content)), fc.boolean(), (entries, padded) => {
      const files = new Map(entries);
      const json = [...files].map(([key, value]) => {
        const encoded = typeof value === 'string' ? value : { base64: base64(value) };
        if (typeof encoded !== 'string' && !padded) encoded.base64 = encoded.base64.replaceAll('=', '');
        return `${JSON.stringify(key)}:${JSON.stringify(encoded)}`;
      });
      const document = JSON.parse(`{${json.join(',')}}`) as FileDocument;
      expect(checkFileDocument(document)).toEqual([]);
      const found = filesOf(document);
      expect([...found.keys()].sort()).toEqual([...files.keys()].sort());
      for (const [key, value] of files) {
        expect(Buffer.from(found.get(key) ?? '').equals(Buffer.from(value as string))).toBe(true);
      }
    }),
  );
});

test('whatever is sent, the answer is a short list of problems in their places', () => {
  const content = fc.oneof(fc.anything(), fc.record({ base64: fc.anything() }));
  const value = fc.oneof(fc.anything(), fc.dictionary(fc.string({ unit: 'binary' }), content));
  fc.assert(
    fc.property(value, (sent) => {
      const problems = checkFileDocument(sent, '/input');
      expect(problems.length).toBeLessThanOrEqual(50);
      for (const { pointer, detail } of problems) {
        expect(pointer === '/input' || pointer.startsWith('/input/')).toBe(true);
        expect(detail).not.toBe('');
      }
    }),
    { numRuns: 1000 },
  );
});

test('a name that passes is one step in its folder, and no more', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '\\', '\0', '\n', '\ud800') }), (name) => {
      const good = /^[a.]+$/.test(name) && name !== '.' && name !== '..';
      expect(fileNameProblem(name) === undefined).toBe(good);
    }),
  );
});

test.each<[unknown, string, string]>([
  [null, '', 'an object of file name and content, not null'],
  ['text', '', 'not the text "text"'],
  [[], '', 'not an empty list'],
  [{ a: null }, '/a', 'text or {"base64": "…"}, not null'],
  [{ a: ['x'] }, '/a', 'not a list'],
  [{ a: {} }, '/a/base64', 'base64 is required but missing'],
  [{ a: { base64: 1 } }, '/a/base64', 'a string, not the number 1'],
  [{ a: { base64: '', mode: 1 } }, '/a/mode', 'unknown key "mode"'],
  [{ a: { base64: 'A' } }, '/a/base64', 'not valid base64'],
  [{ a: { base64: 'QQ=' } }, '/a/base64', 'not valid base64'],
  [{ a: { base64: 'QQ===' } }, '/a/base64', 'not valid base64'],
  [{ a: { base64: 'Q=Q=' } }, '/a/base64', 'not valid base64'],
  [{ a: { base64: '_-==' } }, '/a/base64', 'not valid base64'],
  [{ a: { base64: 'QU\nJD' } }, '/a/base64', 'not valid base64'],
  [{ a: 'half a \ud83d' }, '/a', 'half of a surrogate pair'],
  [{ 'a/~b': 'x' }, '/a~1~0b', 'a slash'],
  [{ ['é'.repeat(128)]: 'x' }, `/${'é'.repeat(128)}`, 'longer than 255 bytes'],
])('%j is refused', (value, pointer, detail) => {
  expect(checkFileDocument(value)).toEqual([{ pointer, detail: expect.stringContaining(detail) }]);
});

test('a large document is checked in no time', () => {
  const large = 'A'.repeat(64 * 2 ** 20);
  expect(checkFileDocument({ text: large, bytes: { base64: large } })).toEqual([]);
  expect(checkFileDocument({ bytes: { base64: `${large}*AAA` } })).toHaveLength(1);
});
