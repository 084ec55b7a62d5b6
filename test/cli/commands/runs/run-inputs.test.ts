import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { built, type Installed, install } from '../../server.js';

/** Prints its arguments, a line each, and then its standard input. */
const shows = {
  exec: '/bin/sh',
  argv: [
    '-c',
    'printf "<%s>\\n" "$@"; cat',
    'sh',
    { input: 'rate', prefix: '--rate' },
    { input: 'loud', prefix: '--loud' },
    { input: 'tags', prefix: '--tag', each: true },
    '${inputs.word}',
  ],
  inputs: {
    text: { type: 'file', stdin: true, title: 'Text' },
    rate: { type: 'integer', minimum: 1, maximum: 9, default: 3, title: 'Rate' },
    loud: { type: 'boolean', default: false },
    tags: { type: 'array', items: { type: 'string' }, optional: true },
    word: { type: 'string', optional: true, description: 'Any word.' },
  },
  outputs: { shown: { type: 'file', from: 'stdout' } },
};

const makes = {
  exec: '/bin/sh',
  argv: [
    '-c',
    'cat "$1"/* >"$2"; mkdir -p more; echo a >more/a.txt; echo b >more/b.txt; echo "{\\"n\\": 2}"',
    'sh',
    '${inputs.parts}',
    '${outputs.all}',
  ],
  inputs: { parts: { type: 'folder' } },
  outputs: {
    all: { type: 'file', file_name: 'all.txt' },
    more: { type: 'files', glob: 'more/*.txt' },
    n: { type: 'integer', from: 'stdout', pointer: '/n' },
  },
};

describe.skipIf(!built)('penstock run with declared inputs', () => {
  let installed: Installed;
  let folder: string;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);

  beforeAll(async () => {
    installed = await install();
    folder = installed.folder;
    for (const [name, definition] of Object.entries({ shows, makes, plain: { exec: 'cat' } })) {
      const ran = await penstock(['definition', 'add', '-', '--name', name], JSON.stringify(definition));
      expect(ran).toMatchObject({ code: 0 });
    }
    writeFileSync(join(folder, 'in.txt'), 'from a file\n');
    mkdirSync(join(folder, 'parts'));
    writeFileSync(join(folder, 'parts', '1'), 'one\n');
    writeFileSync(join(folder, 'parts', '2'), 'two\n');
  });
  afterAll(() => installed.stop());

  it('takes NAME=VALUE, options, switches and files', async () => {
    const file = join(folder, 'in.txt');
    const ran = await penstock([
      'run',
      'shows',
      'rate=5',
      '--loud',
      '--tags',
      'a b',
      'tags=-c',
      `text=@${file}`,
      '--word=x=y',
    ]);
    expect(ran).toMatchObject({ code: 1 });
    expect(ran.stderr).toContain('tags may not begin with "-"');
    const fine = await penstock([
      'run',
      'shows',
      'rate=5',
      '--loud',
      '--tags',
      'a b',
      'tags=c',
      `text=@${file}`,
      '--word=x=y',
    ]);
    expect(fine).toMatchObject({
      code: 0,
      stdout: '<--rate>\n<5>\n<--loud>\n<--tag>\n<a b>\n<--tag>\n<c>\n<x=y>\nfrom a file\n',
    });
    const off = await penstock(['run', 'shows', '--no-loud', 'text=@-', 'word=@@home'], 'piped');
    expect(off).toMatchObject({ code: 0, stdout: '<--rate>\n<3>\n<@home>\npiped' });
  });

  it('gives a required file its standard input, or that of --input', async () => {
    expect(await penstock(['run', 'shows'], 'piped')).toMatchObject({ stdout: '<--rate>\n<3>\npiped' });
    const ran = await penstock([
      'run',
      'shows',
      '--input',
      join(folder, 'in.txt'),
      '-o',
      join(folder, 'out.txt'),
    ]);
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(join(folder, 'out.txt'), 'utf8')).toBe('<--rate>\n<3>\nfrom a file\n');
  });

  it('sends a folder, and writes several outputs and values', async () => {
    const [one, all] = [join(folder, 'one.txt'), join(folder, 'made')];
    const ran = await penstock([
      'run',
      'makes',
      `parts=@${join(folder, 'parts')}`,
      '-o',
      `all=${one}`,
      '--outputs',
      all,
    ]);
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('n: 2')]);
    expect(readFileSync(one, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(join(all, 'all.txt'), 'utf8')).toBe('one\ntwo\n');
    expect(readdirSync(join(all, 'more', 'more')).sort()).toEqual(['a.txt', 'b.txt']);
  });

  it.each([
    [['shows', 'rate=10'], 1, 'rate must be 9 or less, not 10'],
    [['shows', 'rat=1'], 1, 'there is no input "rat"; did you mean "rate"?'],
    [['shows', '--rat', '1'], 2, 'Did you mean --rate?'],
    [['shows', '--ouptut', 'x'], 2, 'Did you mean --output?'],
    [['plain', 'rate=1'], 2, 'declares no inputs'],
    [['plain', '--json'], 2, 'cannot go to standard output too'],
    [['shows', 'rate=1', '--json'], 2, 'cannot go to standard output too'],
    [['plain', '--ouptut', 'x'], 2, 'Did you mean --output?'],
  ])('%j is refused', async (args, code, message) => {
    const ran = await penstock(['run', ...args], 'x');
    expect(ran.stderr).toContain(message);
    expect(ran.code).toBe(code);
  });
});
