// `npm run test:node -- 24`: runs the tests with another Node.js, in a copy of this tree. Passes further arguments on to
// vitest. `--quick` runs the demo, and the tests that cover most in the least time.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root } from './prepare.mjs';

const [version = '', ...words] = process.argv.slice(2);
if (!/^\d+(\.\d+){0,2}$/.test(version)) {
  console.error('usage: npm run test:node -- VERSION [--quick | arguments for vitest]   (such as 24)');
  process.exit(2);
}
const quick = [
  'test/domain',
  'test/lib',
  'test/usecases',
  'test/store',
  'test/cli/client',
  'test/cli/commands/runs/run.test.ts',
  'test/http/tastypie.test.ts',
  'test/http/routes/run.test.ts',
  'test/drivers/executors/local.test.ts',
  'test/drivers/adapters/file.test.ts',
];

const folder = path.join(root, 'node_modules', '.cache', 'penstock', `node-${version}`);
const tree = path.join(folder, 'tree');
const name = `node-${process.platform}-${process.arch}`;
const home = path.join(folder, 'node_modules', name);

/** Runs a program in a folder and waits for it. Exits if it fails. */
function run(cwd, command, args, environment = {}) {
  const { status } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  if (status !== 0) process.exit(status ?? 1);
}

// The npm registry has Node.js as packages, with headers.
mkdirSync(folder, { recursive: true });
if (!existsSync(path.join(home, 'bin', 'node'))) {
  console.error(`penstock: fetching Node.js ${version} …`);
  run(folder, 'npm', ['install', '--prefix', folder, '--no-save', '--ignore-scripts', `${name}@${version}`]);
}

// Copy tracked and untracked files, but not ignored ones: the copy builds its own dependencies for that version.
const { stdout } = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
  cwd: root,
  encoding: 'utf8',
});
const files = stdout.split('\0').filter((file) => file !== '' && existsSync(path.join(root, file)));
for (const part of ['src', 'test', 'dist']) rmSync(path.join(tree, part), { recursive: true, force: true });
for (const file of files) cpSync(path.join(root, file), path.join(tree, file), { preserveTimestamps: true });

const environment = {
  PATH: `${path.join(home, 'bin')}:${process.env.PATH}`,
  // Native modules are compiled against these headers.
  npm_config_nodedir: home,
  npm_config_build_from_source: 'true',
  // Speed is not measured here, so a fast build matters more than fast code.
  CFLAGS: '-O0',
  CXXFLAGS: '-O0',
};
const node = path.join(home, 'bin', 'node');
run(tree, node, ['--version'], environment);
if (words[0] === '--quick') {
  run(tree, node, ['scripts/run.mjs', 'demo'], environment);
  run(tree, node, ['scripts/test.mjs', ...quick], environment);
} else run(tree, node, ['scripts/test.mjs', ...words], environment);
