import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  jsonPieces,
  NotPlain,
  openPlainFile,
  plainFiles,
  putFiles,
} from '../../../src/drivers/files/folder-files.js';
import { openFolder } from '../../../src/drivers/files/folders.js';

const place = mkdtempSync(path.join(os.tmpdir(), 'penstock-files-'));
const at = (name: string) => path.join(place, name);
let folder: FileHandle;
beforeAll(async () => {
  folder = await openFolder(place);
});
afterAll(async () => {
  await folder.close();
  rmSync(place, { recursive: true });
});

async function jsonOf(bytes: Uint8Array, how: 'exact' | 'replace', size = bytes.length): Promise<unknown> {
  writeFileSync(at('json'), bytes);
  const file = await open(at('json'));
  try {
    let text = '';
    for await (const piece of jsonPieces(file, size, how)) text += piece;
    return JSON.parse(text);
  } finally {
    await file.close();
  }
}

// Pieces are of 192 KiB: what is around their ends is what matters.
const end = 3 * 64 * 1024;
const pieces = fc
  .tuple(
    fc.constantFrom(0, end - 5, 2 * end - 5),
    fc.array(fc.constantFrom('a', 'é', '€', '😀', '\ufeff', '\0', '"'), { maxLength: 8 }),
    fc.option(fc.tuple(fc.nat(7), fc.constantFrom(0x80, 0xff, 0xed, 0xc0, 0xf4))),
  )
  .map(([before, characters, spoilt]) => {
    const bytes = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(characters.join(''))]);
    if (spoilt !== null && before + spoilt[0] < bytes.length) bytes[before + spoilt[0]] = spoilt[1];
    return bytes;
  });

test('exact JSON gives back the bytes, as text where they are text', async () => {
  await fc.assert(
    fc.asyncProperty(pieces, async (bytes) => {
      const value = await jsonOf(bytes, 'exact');
      const isText = Buffer.from(bytes.toString()).equals(bytes);
      const expected = isText ? bytes.toString() : { base64: bytes.toString('base64') };
      // Not toEqual, which would take long to show what differs.
      expect(JSON.stringify(value) === JSON.stringify(expected)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('replacing JSON is always text', async () => {
  await fc.assert(
    fc.asyncProperty(pieces, async (bytes) => {
      expect((await jsonOf(bytes, 'replace')) === bytes.toString()).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test('a file that became shorter is what is left, one that became longer what it was', async () => {
  expect(await jsonOf(Buffer.from('short'), 'exact', 1_000_000)).toBe('short');
  expect(await jsonOf(Buffer.from('longer'), 'exact', 4)).toBe('long');
  expect(await jsonOf(Buffer.from([1, 255]), 'exact', 1_000_000)).toEqual({ base64: 'Af8=' });
  expect(await jsonOf(Buffer.from('ä'), 'exact', 1)).toEqual({ base64: 'ww==' });
});

test('only plain files are listed and opened', async () => {
  writeFileSync(at('plain'), 'text');
  writeFileSync(at('back\\slash'), '');
  symlinkSync('plain', at('link'));
  mkdirSync(at('folder'));
  execFileSync('mkfifo', [at('pipe')]);
  const found = new Map<string, number>();
  for await (const { name, size } of plainFiles(folder)) found.set(name, size);
  found.delete('json');
  expect([...found].sort()).toEqual([
    ['back\\slash', 0],
    ['plain', 4],
  ]);
  for (const name of ['link', 'folder', 'pipe']) {
    await expect(openPlainFile(folder, name)).rejects.toThrow(NotPlain);
  }
  expect(await openPlainFile(folder, 'missing')).toBe(null);
  for (const name of ['..', '../x', 'folder/x', '', 'a\0']) {
    await expect(openPlainFile(folder, name)).rejects.toThrow('cannot be a file name');
  }
  const file = await openPlainFile(folder, 'plain');
  expect(await file?.readFile('utf8')).toBe('text');
  await file?.close();
});

test('nothing is put where a name leads out, or is too long to be kept', async () => {
  await expect(putFiles(folder, new Map([['../out', 'x']]))).rejects.toThrow('cannot be a file name');
  const long = 'n'.repeat(253);
  await putFiles(folder, new Map([[long, 'x']]));
  await expect(putFiles(folder, new Map([[long, 'x']]))).rejects.toThrow('too long');
});
