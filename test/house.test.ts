import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { catalogue } from '../src/lib/errors.js';
import { root } from './support/paths.js';

const source = path.join(root, 'src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
  .map((name) => ({
    name: name.replaceAll(path.sep, '/'),
    text: readFileSync(path.join(source, name), 'utf8'),
  }));

/** The room that a file is in; a file at the top is a room of its own. */
const roomOf = (name: string) =>
  name.includes('/') ? (name.split('/')[0] ?? '') : name.replace(/\.[jt]s$/, '');

/** What a file imports of ours: rooms, and whether more than types. */
function imports({ name, text }: { name: string; text: string }): { room: string; typesOnly: boolean }[] {
  return [
    ...text.matchAll(/(?:import|export)\s+(type\s+)?[^;'"]*?from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g),
  ].map((match) => {
    const target = path.posix.normalize(
      path.posix.join(path.posix.dirname(name), match[2] ?? match[3] ?? ''),
    );
    return { room: roomOf(target), typesOnly: match[1] !== undefined };
  });
}

describe('imports go one way', () => {
  const allowed: Record<string, readonly string[]> = {
    lib: ['domain'],
    domain: ['lib', 'dialects'],
    drivers: ['domain', 'lib'],
    store: ['domain', 'lib'],
    usecases: ['store', 'domain', 'drivers', 'lib'],
    http: ['usecases', 'store', 'domain', 'lib'],
    dialects: ['http', 'usecases', 'store', 'drivers', 'domain', 'lib'],
    cli: ['domain', 'lib'],
    worker: ['usecases', 'store', 'drivers', 'domain', 'lib'],
    config: ['dialects', 'drivers', 'domain', 'lib'],
    commands: ['app', 'cli', 'config', 'dialects', 'drivers', 'domain', 'store', 'usecases', 'lib'],
  };
  test.each(files.filter(({ name }) => allowed[roomOf(name)] !== undefined))('$name', (file) => {
    const room = roomOf(file.name);
    const known = [room, ...(allowed[room] ?? [])];
    expect(
      imports(file)
        .map(({ room }) => room)
        .filter((room) => !known.includes(room)),
    ).toEqual([]);
  });

  test('only the composition roots know the worker and the executors', () => {
    const knowing = files.filter((file) =>
      imports(file).some(({ room }) => room === 'worker' && roomOf(file.name) !== 'worker'),
    );
    expect(knowing.map(({ name }) => name)).toEqual(['app/app.ts', 'app/cloud.ts']);
  });

  test('the drivers of streams are known to the composition root and the doctor only, others have their contract', () => {
    const knowing = files.filter(
      ({ name, text }) =>
        !name.startsWith('drivers/streams/') &&
        /(from |import\()'(\.\.?\/)+drivers\/streams\/(?!stream\.js)/.test(text),
    );
    expect(knowing.map(({ name }) => name).sort()).toEqual(['app/app.ts', 'commands/doctor/doctor.ts']);
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
