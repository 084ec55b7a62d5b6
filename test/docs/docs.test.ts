import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../src/lib/errors.js';
import { schema, schemaNames } from '../../src/lib/schemas.js';
import { root } from '../support/paths.js';

const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const docs = readdirSync(path.join(root, 'docs')).filter((file) => file.endsWith('.md'));
const pages = [
  ...readdirSync(root).filter((file) => file.endsWith('.md')),
  ...docs.map((file) => `docs/${file}`),
];

/** The rows of a page's tables, each as its cells. */
function rowsOf(file: string): string[][] {
  return read(file)
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    );
}

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
const anchorsOf = (file: string) =>
  [...read(file).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading ?? ''));

describe('docs/configuration.md', () => {
  const rows = rowsOf('docs/configuration.md');
  const keys = schemaNames()
    .filter((name) => name.startsWith('config/'))
    .flatMap((name) =>
      Object.entries((schema(name) as { properties: Record<string, { default: unknown }> }).properties),
    );

  it.each(keys)('has %s with its default', (key, { default: value }) => {
    const row = rows.find(([first]) => first === `\`${key}\``);
    expect(row?.[1]).toBe(`\`${typeof value === 'object' ? JSON.stringify(value) : String(value)}\``);
    expect(row?.[2]).not.toBe('');
  });
});

describe('docs/errors.md', () => {
  const rows = rowsOf('docs/errors.md').filter(([first]) => first?.startsWith('`'));

  it('has every code with its status, cause and remedy, and no other', () => {
    expect(rows.map(([code, status]) => [code, status])).toEqual(
      Object.entries(catalogue).map(([code, { status }]) => [`\`${code}\``, String(status)]),
    );
    for (const row of rows) expect(row.slice(2).every((cell) => cell.length > 5)).toBe(true);
  });
});

describe('docs/security.md', () => {
  const rows = rowsOf('docs/security.md').filter(
    ([first]) => first !== 'promise' && !/^-+$/.test(first ?? ''),
  );

  it('has a table of promises', () => {
    expect(rows.length).toBeGreaterThan(20);
  });

  it.each(rows)('names a test that exists: %s', (_promise, tests = '') => {
    const named = [...tests.matchAll(/`([^`]+)`/g)].map(([, file]) => file ?? '');
    expect(named).not.toEqual([]);
    const isTest = (file: string) => /^test\/.*\.test\.ts$/.test(file) && existsSync(path.join(root, file));
    expect(named.filter((file) => !isTest(file))).toEqual([]);
  });
});

describe.each(pages)('%s', (page) => {
  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const text = read(page);
    const named = [
      ...[...text.matchAll(/npm run ([a-z]+)/g)].map(([, name]) => name ?? ''),
      ...[...text.matchAll(/npm (start|test)\b/g)].map(([, name]) => name ?? ''),
    ];
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('has no relative link that leads nowhere', () => {
    const text = read(page).replace(/```[\s\S]*?```/g, '');
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target ?? '');
    const dead = links.filter((link) => {
      if (/^[a-z]+:/.test(link)) return false;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(root, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(dead).toEqual([]);
  });
});

it('leaves no page of docs/ without a link from README.md', () => {
  const readme = read('README.md');
  expect(docs.filter((file) => !readme.includes(`(docs/${file})`))).toEqual([]);
});
