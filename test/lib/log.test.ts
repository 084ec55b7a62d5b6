import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/paths.js';

const log = `${root}/dist/log.js`;

test('the last line is written before the process leaves', () => {
  const program = `
    const { openLog } = await import(${JSON.stringify(log)});
    const log = openLog('info');
    for (let n = 0; n < 1000; n += 1) log.info({ n }, 'a line');
    log.error('the last one');
    log.flush(() => process.exit(3));`;
  for (let round = 0; round < 5; round += 1) {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
    });
    const lines = stderr.trimEnd().split('\n');
    expect(status).toBe(3);
    expect(lines).toHaveLength(1001);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'the last one' });
  }
});

test('a line that could not be written whole spoils no other, and what is lost is counted', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-log-'));
  const [file, before] = [path.join(folder, 'log'), path.join(folder, 'before')];
  // As on a full disk: a file may grow to 4 KiB, so that a line is cut somewhere. Then there is room again.
  const program = `
    const { copyFileSync, truncateSync } = await import('node:fs');
    const { openLog } = await import(${JSON.stringify(log)});
    const log = openLog('info');
    const flushed = () => new Promise((done) => log.flush(done));
    for (let n = 0; n < 100; n += 1) {
      log.info({ n }, 'a line');
      await flushed();
    }
    copyFileSync(${JSON.stringify(file)}, ${JSON.stringify(before)});
    truncateSync(${JSON.stringify(file)}, 0);
    log.info({ n: 100 }, 'a line');
    await flushed();
    log.info({ n: 101 }, 'a line');
    await flushed();`;
  const shell = 'ulimit -f 8; exec "$0" --input-type=module --eval "$1" 2>>"$2"';
  const { status } = spawnSync('/bin/sh', ['-c', shell, process.execPath, program, file], {
    cwd: root,
  });
  expect(status).toBe(0);
  const first = readFileSync(before, 'utf8');
  const then = readFileSync(file, 'utf8');
  rmSync(folder, { recursive: true });
  expect(first.endsWith('\n')).toBe(false);
  const whole = first.split('\n').slice(0, -1);
  expect(whole.map((line) => JSON.parse(line).n)).toEqual(whole.map((_, index) => index));
  // The line that was begun is ended first.
  expect(then.startsWith('\n{')).toBe(true);
  const lines = then
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([{ lines: 100 - whole.length }, { n: 100 }, { n: 101 }]);
});
