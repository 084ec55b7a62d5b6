import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const log = new URL('../dist/log.js', import.meta.url).href;

test('the last line is written before the process leaves', () => {
  const program = `
    const { openLog } = await import(${JSON.stringify(log)});
    const log = openLog('info');
    for (let n = 0; n < 1000; n += 1) log.info({ n }, 'a line');
    log.error('the last one');
    log.flush(() => process.exit(3));`;
  for (let round = 0; round < 5; round += 1) {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      encoding: 'utf8',
    });
    const lines = stderr.trimEnd().split('\n');
    expect(status).toBe(3);
    expect(lines).toHaveLength(1001);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ msg: 'the last one' });
  }
});
