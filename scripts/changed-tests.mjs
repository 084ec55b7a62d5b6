import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './prepare.mjs';

/** Our source files below a folder, as paths from the root. */
const filesIn = (folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
    .map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')));

/** Our files that a file imports. */
function importsOf(file) {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/from\s+'(\.[^']+)'|import\('(\.[^']+)'\)/g)].map((match) =>
    path.posix.join(path.posix.dirname(file), match[1] ?? match[2]).replace(/\.js$/, '.ts'),
  );
}

/** The files that have changed since a commit, including untracked ones. */
function changedSince(commit) {
  const git = (...args) => {
    const { status, stdout, stderr } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.trim()}`);
    return stdout.split('\n').filter((line) => line !== '');
  };
  return [...git('diff', '--name-only', commit, '--'), ...git('ls-files', '-o', '--exclude-standard')];
}

const isPage = (file) => file.endsWith('.md');
/** Whether we know which tests a file affects. Any other file, such as a schema or a test program, may affect all. */
const isTraced = (file) => isPage(file) || /^(src|test)\/.*\.ts$|^(bench|\.ci)\//.test(file);

/**
 * The test files that the changes since a commit may affect: those that import a changed file, directly or indirectly, and
 * those in a folder with the same name as a changed file's, because most tests start the compiled server. Null: all tests.
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
