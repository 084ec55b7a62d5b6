import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../server.js';

describe.skipIf(!built)(`penstock pipeline${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const shell = (script: string) => JSON.stringify({ exec: '/bin/sh', argv: ['-c', script] });

  beforeAll(async () => {
    installed = await install();
    const flag = `${installed.folder}/flag`;
    const definitions = {
      sort: JSON.stringify({ exec: 'sort' }),
      picky: shell(`cat; [ -e '${flag}' ] || { echo no flag >&2; exit 3; }`),
    };
    for (const [name, definition] of Object.entries(definitions)) {
      expect(await penstock(['definition', 'add', '-', '--name', name], definition)).toMatchObject({
        code: 0,
      });
    }
  });
  afterAll(() => installed.stop());

  it('adds a pipeline by the names of its definitions, runs it as a filter, shows and resumes what failed', async () => {
    const document = {
      name: 'words',
      steps: [
        { name: 'order', process_definition: 'sort' },
        { name: 'each', process_definition: 'picky', each: { over: 'lines' } },
      ],
    };
    const added = await penstock(['pipeline', 'add', '-'], JSON.stringify(document));
    expect(added).toMatchObject({ code: 0, stderr: 'Added the pipeline words.\n' });
    expect((await penstock(['pipeline', 'list'])).stdout).toMatch(/words .* steps +2 /);
    expect((await penstock(['pipeline', 'run', 'words', '--dry-run'], '')).stdout).toMatch(/exec: sort/);

    const failed = await penstock(['pipeline', 'run', 'words'], 'b\na\n');
    expect(failed.code).toBe(3);
    expect(failed.stderr).toMatch(/Item \d of the step 'each' exited with 3.*\nno flag\n/);
    const uuid = /job show (\S+)/.exec(failed.stderr)?.[1] ?? '';
    const shown = (await penstock(['job', 'show', uuid])).stdout;
    expect(shown).toMatch(/^STEP +STATE +NEEDS +ITEMS/m);
    expect(shown).toMatch(/^order +FINISHED/m);
    expect(shown).toMatch(/^each +FAILED +order +0\/2/m);

    expect(existsSync(`${installed.folder}/flag`)).toBe(false);
    await penstock(['run', 'sort', '--output', `${installed.folder}/flag`], '');
    expect(await penstock(['job', 'resume', uuid, '--from', 'ech'])).toMatchObject({ code: 1 });
    expect(await penstock(['job', 'resume', uuid])).toMatchObject({ code: 0 });
    expect((await penstock(['job', 'follow', uuid])).code).toBe(0);
    expect((await penstock(['job', 'output', uuid])).stdout).toBe('a\nb\n');
    expect(await penstock(['pipeline', 'run', 'words'], 'd\nc\n')).toEqual({
      code: 0,
      stdout: 'c\nd\n',
      stderr: '',
    });
  });
});
