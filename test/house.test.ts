import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/lib/errors.js';
import { root } from './support/paths.js';
import { weights } from './support/weights.js';

const source = path.join(root, 'src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
  .map((name) => ({
    name: name.replaceAll(path.sep, '/'),
    text: readFileSync(path.join(source, name), 'utf8'),
  }));

/** The room that a file is in: the first folder of its path; `main.ts` is a room of its own. */
const roomOf = (name: string) => name.split('/')[0] ?? '';

/** The files of ours that a file imports, types included, by their paths below `src/`. */
const importsOf = ({ name, text }: { name: string; text: string }): string[] =>
  [...text.matchAll(/(?:import|export)\s[^;'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g)].map((match) =>
    path.posix
      .normalize(path.posix.join(path.posix.dirname(name), match[1] ?? match[2] ?? ''))
      .replace(/\.js$/, '.ts'),
  );
const imports = new Map(files.map((file) => [file.name, importsOf(file)]));

/** Files that import one that fits, themselves outside of `inside`. */
const importersOf = (fits: RegExp, inside: RegExp) =>
  files
    .map(({ name }) => name)
    .filter((name) => !inside.test(name) && imports.get(name)?.some((target) => fits.test(target)));

/** The rooms, and which others each may use. Whoever is not named as a room's neighbour may not be used there. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['cli', 'commands', 'config', 'lib'],
  app: ['config', 'dialects', 'http', 'worker', 'usecases', 'store', 'drivers', 'domain', 'lib'],
  commands: ['app', 'cli', 'config', 'usecases', 'store', 'drivers', 'domain', 'lib'],
  cli: ['domain', 'lib'],
  config: ['drivers', 'domain', 'lib'],
  dialects: ['config', 'http', 'usecases', 'store', 'drivers', 'domain', 'lib'],
  http: ['usecases', 'store', 'domain', 'lib'],
  worker: ['usecases', 'store', 'drivers', 'domain', 'lib'],
  usecases: ['store', 'drivers', 'domain', 'lib'],
  store: ['domain', 'lib'],
  drivers: ['domain', 'lib'],
  domain: ['lib'],
  lib: [],
};

/** Nouns of the product: each is one folder name in every room that has a folder for it. */
const nouns = [
  'definitions',
  'deliveries',
  'external-jobs',
  'inputs',
  'jobs',
  'operations',
  'pipelines',
  'runs',
  'servers',
  'services',
  'streams',
  'subscriptions',
  'users',
];
/** Folders in the rooms of nouns that are no nouns. */
const others = ['domain/feeder', 'domain/json', 'worker/attempt'];

describe('imports go one way', () => {
  test('the rooms are known', () => {
    expect([...new Set(files.map(({ name }) => roomOf(name)))].sort()).toEqual(Object.keys(rooms).sort());
  });

  test.each(files)('$name', ({ name }) => {
    const room = roomOf(name);
    const used = (imports.get(name) ?? []).map(roomOf);
    expect(used.filter((other) => other !== room && !rooms[room]?.includes(other))).toEqual([]);
  });

  test('no file is in a circle of imports, those of types included', () => {
    const open = new Map(imports);
    // Whoever imports nothing that is left is in no circle, and is taken away; what stays in the end is one.
    for (let taken = true; taken; ) {
      taken = false;
      for (const [name, used] of open) {
        if (used.some((target) => open.has(target))) continue;
        open.delete(name);
        taken = true;
      }
    }
    // The same the other way round: what only leads to a circle is not in it.
    for (let taken = true; taken; ) {
      taken = false;
      const used = new Set([...open.values()].flat());
      for (const name of open.keys()) if (!used.has(name)) taken = open.delete(name) || taken;
    }
    expect([...open.keys()]).toEqual([]);
  });

  test('only the composition knows the dialects, and who makes machines work', () => {
    expect(importersOf(/^dialects\//, /^dialects\//)).toEqual(['app/app.ts']);
    expect(importersOf(/^worker\//, /^worker\//)).toEqual(['app/app.ts', 'app/cloud.ts', 'app/running.ts']);
  });

  test('of the streams all but the composition and the doctor know the contract only', () => {
    expect(importersOf(/^drivers\/streams\/(?!stream\.ts)/, /^drivers\/streams\//)).toEqual([
      'app/app.ts',
      'commands/doctor/doctor.ts',
    ]);
    // Use cases reach drivers for that contract alone: they touch no machine.
    const reached = files
      .filter(({ name }) => roomOf(name) === 'usecases')
      .flatMap(({ name }) => imports.get(name) ?? [])
      .filter((target) => roomOf(target) === 'drivers');
    expect([...new Set(reached)]).toEqual(['drivers/streams/stream.ts']);
  });
});

describe('folders', () => {
  const folders = new Map<string, number>();
  for (const { name } of files) {
    const folder = path.posix.dirname(name);
    folders.set(folder, (folders.get(folder) ?? 0) + 1);
  }

  test('none has more than 20 files', () => {
    expect([...folders].filter(([, count]) => count > 20)).toEqual([]);
  });

  test('a noun is one folder name everywhere', () => {
    const strange = [...folders.keys()].filter(
      (folder) =>
        /^(domain|usecases|worker|http\/routes|cli\/commands)\/[^/]+$/.test(folder) &&
        !others.includes(folder) &&
        !nouns.includes(path.posix.basename(folder)),
    );
    expect(strange).toEqual([]);
  });

  test('tests stand in the folders of what they test', () => {
    const besides = ['conformance', 'docs', 'fixtures', 'openstack', 'programs', 'support'];
    const strange = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => path.posix.dirname(name.replaceAll(path.sep, '/')))
      .filter((folder) => folder !== '.' && !besides.includes(roomOf(folder)))
      .filter((folder) => !existsSync(path.join(source, folder)));
    expect([...new Set(strange)]).toEqual([]);
  });
});

describe('one place for each thing', () => {
  const where = (pattern: RegExp) => files.filter(({ text }) => pattern.test(text)).map(({ name }) => name);
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');

  test('the environment is read in config/config.ts only', () => {
    expect(files.filter(({ text }) => /process\.env\b/.test(code(text))).map(({ name }) => name)).toEqual([
      'config/config.ts',
    ]);
  });

  test('the statuses of the catalogue are read by the error handler and the docs only', () => {
    const readers = where(/import[^;]*\bcatalogue\b[^;]*errors\.js/).filter(
      (name) => name !== 'lib/errors.ts',
    );
    expect(readers.sort()).toEqual([
      'http/error-handler.ts',
      'http/openapi/openapi-parts.ts',
      'http/routes/docs.ts',
    ]);
  });

  test('processes are signalled in drivers/processes/signal.ts only, which proves that they are ours', () => {
    const senders = files.filter(({ text }) =>
      /\.kill\b|\['kill'\]|\bkill\b[^;]*from 'node:process'/.test(code(text)),
    );
    expect(senders.map(({ name }) => name)).toEqual(['drivers/processes/signal.ts']);
  });

  test('scripts signal processes by the functions of drivers/processes/shell-process.ts only, or themselves', () => {
    const sending = /(^|[^\w.$-])kill\s+(-|"|'|\$|%|\d)(?!KILL \$\$)/m;
    const senders = files.filter(({ text }) => sending.test(code(text)));
    expect(senders.map(({ name }) => name)).toEqual(['drivers/processes/shell-process.ts']);
  });

  test('a file tells one story: fewer than 300 lines', () => {
    const long = files
      .map(({ name, text }) => ({ name, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines >= 300);
    expect(long).toEqual([]);
  });
});

test('every file of tests that weighs more than others is there', () => {
  expect(Object.keys(weights).filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
});

describe('docs/errors.md', () => {
  const text = readFileSync(path.join(root, 'docs/errors.md'), 'utf8');
  const lines = text.split('\n').filter((line) => /^\| `[a-z-]+`/.test(line));

  test('has one line for every code, and none for others', () => {
    const told = lines.map((line) => /`([a-z-]+)`/.exec(line)?.[1]);
    expect(told.sort()).toEqual(Object.keys(catalogue).sort());
  });

  test.each(Object.entries(catalogue))('%s has its status, a cause and a remedy', (code, { status }) => {
    const cells =
      lines
        .find((line) => line.startsWith(`| \`${code}\``))
        ?.split(/(?<!\\)\|/)
        .map((cell) => cell.trim()) ?? [];
    expect(cells[2]).toBe(String(status));
    expect(cells[3]?.length).toBeGreaterThan(10);
    expect(cells[4]?.length).toBeGreaterThan(10);
  });
});
