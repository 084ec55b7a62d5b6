import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { logStart, setLogStart } from '../../../src/store/folder/log-file.js';
import { capLog } from '../../../src/worker/services/cap-log.js';
import { lineSearch } from '../../../src/worker/services/line-search.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-logs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let number = 0;
const newLog = (text = '') => {
  number += 1;
  const file = path.join(folder, String(number));
  writeFileSync(file, text);
  return file;
};
const kept = (file: string) => readFileSync(file, 'latin1').slice(logStart(file));
const lines = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, k) => `${String(from + k).padStart(9, '0')}\n`).join('');

test('what is within its bound is left as it is', async () => {
  const file = newLog(lines(1, 100));
  expect(await capLog(file, 1000)).toBe(false);
  expect(await capLog(path.join(folder, 'missing'), 1000)).toBe(false);
  expect(kept(file)).toBe(lines(1, 100));
});

test('what is over is cut at a line, again and again, and every byte is there or counted', async () => {
  const file = newLog();
  for (let round = 0; round < 30; round += 1) {
    appendFileSync(file, lines(round * 100 + 1, round * 100 + 100));
    const was = kept(file).length;
    expect(await capLog(file, 2000)).toBe(was > 2000);
    expect(kept(file).length).toBeLessThanOrEqual(2000);
  }
  const [note = '', ...rest] = kept(file).trimEnd().split('\n');
  const left = Number(/^\[penstock: (\d+) bytes before this were left out\]$/.exec(note)?.[1]);
  expect(left + rest.length * 10).toBe(30_000);
  expect(rest.join('\n')).toBe(lines(3001 - rest.length, 3000).trimEnd());
});

test('a line without an end is cut somewhere', async () => {
  const long = newLog('x'.repeat(500_000));
  expect(await capLog(long, 100_000)).toBe(true);
  expect(kept(long)).toMatch(/^\[penstock: 425000 bytes before this were left out\]\nx{75000}$/);
});

test('what a crash has kept from being given back to the disk is given back by the next cut', async () => {
  const file = newLog(lines(1, 100_000));
  await setLogStart(file, 900_000);
  appendFileSync(file, lines(1, 10_000));
  expect(await capLog(file, 100_000)).toBe(true);
  expect(statSync(file).blocks * 512).toBeLessThan(200_000);
});

test('one that cannot have a hole begins anew, and says so', async () => {
  const file = newLog(lines(1, 10));
  // Too far for any file system to be sure of.
  truncateSync(file, 2 ** 40);
  expect(await capLog(file, 1000)).toBe(true);
  appendFileSync(file, 'and on\n');
  expect(kept(file)).toBe(`[penstock: ${2 ** 40} bytes before this were left out]\nand on\n`);
  expect(statSync(file).size).toBeLessThan(100);
});

test('a line is found when it is whole, wherever pieces end', async () => {
  const file = newLog();
  const found = lineSearch(file, '^grün$');
  const bytes = Buffer.from('not grün\r\ngrün');
  for (const byte of bytes) {
    appendFileSync(file, Buffer.from([byte]));
    expect(await found()).toBe(false);
  }
  appendFileSync(file, '\r\n');
  expect(await found()).toBe(true);
});

test('only the beginning of a very long line is looked at, and it is not kept', async () => {
  const file = newLog(`${'x'.repeat(5000)}ready\n${'y'.repeat(4000)}ready\n`);
  expect(await lineSearch(file, 'x.*ready')()).toBe(false);
  expect(await lineSearch(file, 'y.*ready')()).toBe(true);
  expect(await lineSearch(path.join(folder, 'missing'), 'x')()).toBe(false);
});

test('what was cut away is passed over', async () => {
  const file = newLog(`ready\n${lines(1, 1000)}`);
  await capLog(file, 1000);
  expect(await lineSearch(file, '^ready$')()).toBe(false);
  expect(await lineSearch(file, '^000001000$')()).toBe(true);
});
