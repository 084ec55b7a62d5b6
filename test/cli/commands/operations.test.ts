import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/wait-for.js';
import { built, type Installed, install } from '../server.js';

/** The commands for operations, against a server process. */
describe.skipIf(!built)(`operations${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const json = (args: string[], stdin?: string) => installed.json(args, stdin);
  const good = (args: string[], stdin?: string) => installed.good(args, stdin);
  beforeAll(async () => {
    installed = await install();
    await good(['definition', 'add', '-'], '{"name": "picky", "exec": "grep", "argv": ["fine"]}');
    for (const name of ['words', 'picked', 'unpicked']) await good(['stream', 'add', name]);
  });
  afterAll(() => installed?.stop());

  const add = ['operation', 'add', 'pick', '--definition', 'picky', '--input', 'words'];

  it('are made, shown, listed, stopped and started', async () => {
    const made = await good([
      ...add,
      '--output',
      'picked',
      '--dead-letters',
      'unpicked',
      '--concurrency',
      '2',
    ]);
    expect(made).toMatchObject({ stdout: '1\n', stderr: 'Added the operation pick.\n' });
    expect(await json(['operation', 'show', 'pick'])).toMatchObject({
      name: 'pick',
      output_stream: 'picked',
      dead_letters: 'unpicked',
      concurrency: 2,
      state: 'running',
      // A list does not tell it.
      lag: { ready: 0, unsettled: 0 },
    });
    expect((await good(['operation', 'list'])).stdout).toMatch(/1 +pick +1 +words +picked +running +0 +0 +0/);
    expect((await good(['operation', 'stop', 'pick'])).stderr).toBe('The operation pick is inactive.\n');
    expect(await json(['operation', 'start', '1'])).toMatchObject({ active: true });
  });

  it('show what they could not do, and do it once more', async () => {
    await good(['stream', 'publish', 'words', '--id', 'one'], 'fine');
    await good(['stream', 'publish', 'words', '--id', 'two'], 'bad');
    await waitFor(async () => {
      const { counts } = (await json(['operation', 'show', 'pick'])) as unknown as {
        counts: Record<string, number>;
      };
      return counts.published === 1 && counts.dead === 1;
    }, 'both to be done');
    const letters = (await good(['operation', 'dead-letters', 'pick'])).stdout;
    expect(letters).toMatch(/two +3 +[0-9a-f-]{36} +Its job failed: exit code 1\./);
    expect(await json(['operation', 'dead-letters', 'pick'])).toMatchObject({ stream: 'unpicked', total: 1 });
    expect((await good(['operation', 'replay', 'pick'])).stderr).toBe(
      '1 dead letter will be processed again.\n',
    );
    expect((await good(['operation', 'discard', 'pick'])).stderr).toMatch(/^Dead letters deleted: \d\.\n$/);
    await good(['operation', 'remove', 'pick']);
    expect((await penstock(['operation', 'show', 'pick'])).stderr).toContain(
      'There is no operation named pick.',
    );
  });

  it('say what is wrong with them', async () => {
    const input = await penstock([...add.slice(0, -1), 'wrds']);
    expect(input).toMatchObject({ code: 1, stderr: expect.stringContaining('did you mean "words"?') });
    const framing = await penstock([...add, '--framing', 'lines']);
    expect(framing).toMatchObject({ code: 2, stderr: expect.stringContaining('line, nul, length, none') });
    expect((await penstock(['operation', 'add', 'x', '--input', 'words'])).stderr).toContain('--definition');
  });
});
