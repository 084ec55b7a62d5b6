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
    const ran = await penstock(['run', 'shows', '-i', join(folder, 'in.txt'), '-o', join(folder, 'out.txt')]);
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
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(ran.stderr).toContain('n: 2');
    expect(readFileSync(one, 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(join(all, 'all.txt'), 'utf8')).toBe('one\ntwo\n');
    expect(readdirSync(join(all, 'more', 'more')).sort()).toEqual(['a.txt', 'b.txt']);
  });

  it('tells in its help what a definition takes and gives, in 80 columns', async () => {
    const { code, stdout } = await penstock(['run', 'shows', '--help']);
    expect(code).toBe(0);
    const own = stdout.slice(stdout.indexOf('Inputs of shows:'));
    for (const line of own.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(own).toContain('rate=VALUE\n      Rate. Integer from 1 to 9. Default: 3.');
    expect(own).toContain('--loud, --no-loud');
    expect(own).toContain('text=@FILE\n      Text. A file. Required. By default standard input.');
    expect(own).toContain('Outputs of shows:\n  shown');
    const unknown = await penstock(['run', 'show', '--help']);
    expect(unknown).toMatchObject({ code: 0 });
    expect(unknown.stdout).toContain('Usage: penstock run');
    expect(unknown.stderr).toContain('Did you mean shows?');
  });

  it.each([
    [['shows', 'rate=10'], 1, 'rate must be 9 or less, not 10'],
    [['shows', 'rat=1'], 1, 'there is no input "rat"; did you mean "rate"?'],
    [['shows', '--rat', '1'], 2, 'Did you mean --rate?'],
    [['shows', '--ouptut', 'x'], 2, 'Did you mean --output?'],
    [['shows', 'word'], 2, "'word' is not an input: write NAME=VALUE"],
    [['shows', '--rate'], 2, '--rate needs a value'],
    [['shows', 'rate=@x'], 2, 'rate is a value, not a file'],
    [['shows', 'text=@/nowhere/x'], 2, 'Cannot read the input /nowhere/x'],
    [['plain', 'rate=1'], 2, 'It declares no inputs'],
    [['plain', '--ouptut', 'x'], 2, 'Did you mean --output?'],
  ])('%j is refused', async (args, code, message) => {
    const ran = await penstock(['run', ...args], 'x');
    expect(ran.stderr).toContain(message);
    expect(ran.code).toBe(code);
  });
});
