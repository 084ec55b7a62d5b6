// `npm run test:node -- 24`: the tests with another Node.js, in a copy of this tree of its own. Further arguments go to vitest;
// `--quick` runs the demo, and the tests that say most in the least time.
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
  'test/cli',
  'test/http/tastypie.test.ts',
  'test/http/routes/run.test.ts',
  'test/drivers/executors/local.test.ts',
  'test/drivers/adapters/pairs.test.ts',
];

const folder = path.join(root, 'node_modules', '.cache', 'penstock', `node-${version}`);
const tree = path.join(folder, 'tree');
const name = `node-${process.platform}-${process.arch}`;
const home = path.join(folder, 'node_modules', name);

/** Runs a program to its end, in a folder; with what is wrong this one ends, too. */
function run(cwd, command, args, environment = {}) {
  const { status } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  if (status !== 0) process.exit(status ?? 1);
}

// The registry has the programs themselves as packages, with their headers.
mkdirSync(folder, { recursive: true });
if (!existsSync(path.join(home, 'bin', 'node'))) {
  console.error(`penstock: fetching Node.js ${version} …`);
  run(folder, 'npm', ['install', '--prefix', folder, '--no-save', '--ignore-scripts', `${name}@${version}`]);
}

// What git knows of and what it does not ignore: with the dependencies built for that version, and nothing of this one's.
const { stdout } = spawnSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
  cwd: root,
  encoding: 'utf8',
});
const files = stdout.split('\0').filter((file) => file !== '' && existsSync(path.join(root, file)));
for (const part of ['src', 'test', 'dist']) rmSync(path.join(tree, part), { recursive: true, force: true });
for (const file of files) cpSync(path.join(root, file), path.join(tree, file), { preserveTimestamps: true });

const environment = {
  PATH: `${path.join(home, 'bin')}:${process.env.PATH}`,
  // What is compiled at its installation is compiled against these headers.
  npm_config_nodedir: home,
  npm_config_build_from_source: 'true',
  // It is not measured here: the compiler's speed matters more than that of what it makes.
  CFLAGS: '-O0',
  CXXFLAGS: '-O0',
};
const node = path.join(home, 'bin', 'node');
run(tree, node, ['--version'], environment);
if (words[0] === '--quick') {
  run(tree, node, ['scripts/run.mjs', 'demo'], environment);
  run(tree, node, ['scripts/test.mjs', ...quick], environment);
} else run(tree, node, ['scripts/test.mjs', ...words], environment);
