import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../server.js';

describe.skipIf(!built)(`penstock definition test${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  beforeAll(async () => {
    installed = await install();
  });
  afterAll(() => installed?.stop());
  const add = (name: string, tests: object[]) =>
    installed.good(
      ['definition', 'add', '-'],
      JSON.stringify({ name, exec: 'tr', argv: ['-d', 'x'], tests }),
    );

  it('prints a line for each example, and ends well if all passed', async () => {
    await add('right', [
      { name: 'takes x out', input: 'axb', expect: 'ab' },
      { input: 'y', expect: 'y' },
    ]);
    expect(await installed.penstock(['definition', 'test', 'right'])).toEqual({
      code: 0,
      stdout: 'PASS  takes x out\nPASS  test 2\n',
      stderr: '2 of 2 passed, 0 failed.\n',
    });
    const told = await installed.json(['definition', 'test', 'right', '--name', 'takes x out']);
    expect(told).toMatchObject({ total: 1, passed: 1 });
  });

  it('says what is wrong, where the job is, and ends with 1', async () => {
    await add('wrong', [{ name: 'bad', input: 'axb', expect: 'abc' }]);
    const { code, stdout, stderr } = await installed.penstock(['definition', 'test', 'wrong']);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^FAIL {2}bad\n {6}The output differs at byte 2: .*\n {6}\/api\/job\/[-0-9a-f]+\/\n$/,
    );
    expect(stderr).toContain('0 of 1 passed, 1 failed.');
  });
});
