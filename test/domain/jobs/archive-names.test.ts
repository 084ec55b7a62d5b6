import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { archiveName, archiveNames } from '../../../src/domain/jobs/archive-names.js';
import { atPace } from '../../support/pace.js';

const one = (output: string, name: string) => ({ output, name, several: false });
const of = (output: string, name: string) => ({ output, name, several: true });

describe('names in an archive', () => {
  test.each([
    ['a single file has its name', [one('mp3', 'sound.mp3')], ['sound.mp3']],
    ['several are below their output', [of('frames', 'a/b.png')], ['frames/a/b.png']],
    ['equal names are numbered', [one('a', 'x.txt'), one('b', 'X.txt')], ['x.txt', 'X (2).txt']],
    ['no extension', [one('a', 'x'), one('b', 'x'), one('c', 'x')], ['x', 'x (2)', 'x (3)']],
    ['hidden', [one('a', '.env'), one('b', '.env')], ['.env', '.env (2)']],
    ['a file called as a folder', [one('a', 'tree'), of('tree', 'x')], ['tree (2)', 'tree/x']],
    ['paths that lead out', [of('t', '../../etc/passwd')], ['t/_/_/etc/passwd']],
    ['absolute paths', [of('t', '/etc/passwd'), one('a', '/etc')], ['t/etc/passwd', 'etc']],
    ['other systems', [one('a', 'C:\\dir\\x'), of('t', 'D:/y')], ['C__dir_x', 't/D_/y']],
    ['nothing left', [one('a', '..'), of('t', './/.')], ['_', 't/output']],
    ['a file where a folder is to be', [of('t', 'a'), of('t', './a/b')], ['t/a', 't/a_b']],
  ])('%s', (_, files, names) => {
    expect(archiveNames(files)).toEqual(names);
  });

  test('never collide, and never lead out, whatever they are', () => {
    const part = fc.oneof(
      fc.constantFrom('a', 'A', 'b', '..', '.', '', 'C:', 'x\\y', 'x_y', '\0'),
      fc.string(),
    );
    const name = fc.array(part, { maxLength: 4 }).map((parts) => parts.join('/'));
    const file = fc.record({ output: fc.constantFrom('a', 'A', 'b'), name, several: fc.boolean() });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 12 }), (files) => {
        const names = archiveNames(files);
        const keys = names.map((key) => key.normalize('NFC').toLowerCase());
        expect(new Set(keys).size).toBe(files.length);
        for (const key of keys) {
          expect(key).not.toMatch(/^\/|\\|^[a-z]:|\0/);
          expect(key.split('/').filter((part) => ['', '.', '..'].includes(part))).toEqual([]);
          // No file is where another needs a folder.
          expect(keys.some((other) => other.startsWith(`${key}/`))).toBe(false);
        }
      }),
    );
  });

  test('of thousands of files that differ only in case, or only in what is replaced, take no time', () => {
    const name = (number: number, zero: string, one: string) =>
      number.toString(2).padStart(14, '0').replaceAll('0', zero).replaceAll('1', one);
    const files = Array.from({ length: 10_000 }, (_, number) => [
      of('t', name(number, 'a', 'A')),
      of('t', name(number, '\u0001', '\u0002')),
    ]).flat();
    const start = performance.now();
    expect(new Set(archiveNames(files)).size).toBe(20_000);
    expect(performance.now() - start).toBeLessThan(atPace(1000));
  });

  test('the archive itself', () => {
    expect(archiveName('to mp3', 'zip')).toBe('to mp3-outputs.zip');
    expect(archiveName('../a/b\n', 'tar')).toBe('__a_b_-outputs.tar');
  });
});
