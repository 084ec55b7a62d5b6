import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './prepare.mjs';

/** Our files below a folder, as paths from the root. */
const filesIn = (folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')));

/** What a file imports of ours. */
function importsOf(file) {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g)].map((match) =>
    path.posix.join(path.posix.dirname(file), match[1] ?? match[2]).replace(/\.js$/, '.ts'),
  );
}

/** What git says has changed since a commit, and what it does not know yet. */
function changedSince(commit) {
  const git = (...args) => {
    const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.trim()}`);
    return stdout.split('\n').filter((line) => line !== '');
  };
  return [...git('diff', '--name-only', commit, '--'), ...git('ls-files', '-o', '--exclude-standard')];
}

const isPage = (file) => file.endsWith('.md');
/** What is known to matter to some tests only. Anything else, such as a schema or a program of tests, may matter to all. */
const isTraced = (file) => isPage(file) || /^(src|test)\/.*\.ts$|^(bench|\.ci)\//.test(file);

/**
 * The test files that a change since a commit can matter to: those that import what has changed, however indirectly, and,
 * since most tests start the compiled server, those in folders of the same name as that of what has changed. Null: any may.
 */
export function changedTests(commit) {
  const changed = changedSince(commit);
  if (!changed.every(isTraced)) return null;
  const all = [...filesIn('src'), ...filesIn('test')];
  const importers = new Map();
  for (const file of all)
    for (const target of importsOf(file)) importers.set(target, [...(importers.get(target) ?? []), file]);
  const reached = new Set();
  const reach = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const importer of importers.get(file) ?? []) reach(importer);
  };
  for (const file of changed) reach(file);
  // A noun is one folder name in every room.
  const nouns = changed
    .filter((file) => file.startsWith('src/'))
    .map((file) => path.posix.basename(path.posix.dirname(file)));
  return all.filter(
    (file) =>
      file.endsWith('.test.ts') &&
      (reached.has(file) ||
        file === 'test/house.test.ts' ||
        nouns.some((noun) => file.includes(`/${noun}/`)) ||
        (changed.some(isPage) && file.startsWith('test/docs/'))),
  );
}
