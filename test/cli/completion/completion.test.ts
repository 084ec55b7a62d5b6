import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bashCompletion } from '../../../src/cli/completion/completion-bash.js';
import { completionTree } from '../../../src/cli/completion/completion-tree.js';
import { zshCompletion } from '../../../src/cli/completion/completion-zsh.js';
import { atPace } from '../../support/pace.js';
import { penstock } from '../io.js';

const here = import.meta.dirname;
const states = ['FAILED', 'FINALIZED', 'FINISHED'];
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-completion-'));
  writeFileSync(join(folder, 'a-file.json'), '');
  for (const shell of ['bash', 'zsh']) {
    const { code, stdout } = await penstock(['completion', shell]);
    expect(code).toBe(0);
    writeFileSync(join(folder, shell), stdout);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What both shells must offer for the last word of a line. */
const cases: [line: string[], offered: string[]][] = [
  [['jo'], ['job']],
  [['job', 'li'], ['list']],
  [
    ['definition', ''],
    ['add', 'list', 'remove', 'revisions', 'show', 'test', 'update'],
  ],
  [['job', 'list', '--state', 'F'], states],
  [['job', 'list', '--state=F'], states],
  [['job', 'list', '--limit', '3', '--sta'], ['--state']],
  [['--url', 'x', 'job', 'sh'], ['show']],
  [
    ['completion', ''],
    ['bash', 'zsh'],
  ],
  [['definition', 'update', 'tr', 'a'], ['a-file.json']],
  [['run', 'tr', '--input', 'a'], ['a-file.json']],
  [
    ['subscription', 'add', 'x', '--event', 'fi'],
    ['finalize', 'finish'],
  ],
  [['job', 'event', 'x', 'fini'], ['finish']],
  [['pipeline', 'add', 'a'], ['a-file.json']],
  [
    ['nonce', ''],
    ['add', 'list', 'remove'],
  ],
];

describe('completion in bash', () => {
  const complete = (...words: string[]) =>
    execFileSync('bash', [join(here, 'complete.bash'), join(folder, 'bash'), 'penstock', ...words], {
      cwd: folder,
      encoding: 'utf8',
    })
      .split('\n')
      .filter((line) => line !== '')
      .sort();

  it.each(cases)('offers for %j: %j', (line, offered) => {
    expect(complete(...line)).toEqual(offered);
  });

  it('offers the options of the command, and no others', () => {
    expect(complete('job', 'logs', '-')).toEqual(
      ['--attempt', '--follow', '--help', '--stderr', '--token', '--url', '--user', '-f', '-h'].sort(),
    );
    expect(complete('job', 'logs', 'x', '--fo')).toEqual(['--follow']);
  });

  it('offers nothing where it knows nothing', () => {
    expect(complete('job', 'list', '--limit', '')).toEqual([]);
    expect(complete('run', 'a')).toEqual([]);
  });
});

const zsh = spawnSync('zsh', ['--version']).error === undefined;

describe.skipIf(!zsh)(`completion in zsh${zsh ? '' : ' (skipped: there is no zsh here)'}`, () => {
  it.each(cases)('offers for %j: %j', (line, offered) => {
    const answer = execFileSync(
      'zsh',
      ['-f', join(here, 'complete.zsh'), join(folder, 'zsh'), ['penstock', ...line].join(' ')],
      { cwd: folder, encoding: 'utf8', timeout: atPace(20_000) },
    );
    expect(
      answer
        .split('\n')
        .filter((each) => each !== '')
        .sort(),
    ).toEqual(offered);
  });
});

describe('completion', () => {
  it('follows the commands: what is added later is in it, what is hidden is not', () => {
    const program = new Command('penstock');
    program.command('serve').addOption(new Option('--kind <kind>').choices(["it's", 'b:c']));
    program.command('secret', { hidden: true });
    const tree = completionTree(program);
    expect(tree.map(({ path }) => path)).toEqual(['penstock', 'penstock serve', 'penstock help']);
    for (const script of [bashCompletion('penstock', tree), zshCompletion('penstock', tree)]) {
      expect(script).toContain('serve');
      expect(script).not.toContain('secret');
      writeFileSync(join(folder, 'odd'), script);
      execFileSync('bash', ['-n', join(folder, 'odd')]);
    }
  });

  it('gives scripts that the shells can read', () => {
    execFileSync('bash', ['-n', join(folder, 'bash')]);
    if (zsh) execFileSync('zsh', ['-n', join(folder, 'zsh')]);
  });
});
