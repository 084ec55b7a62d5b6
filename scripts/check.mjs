// `npm run check`: everything that must pass before a change is merged: style, types, unused code, tests.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const bin = (...parts) => path.join(root, 'node_modules', ...parts);
const checks = [
  ['style', [bin('@biomejs/biome/bin/biome'), 'check', '.']],
  ['types', [bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.json']],
  ['unused code', [bin('knip/bin/knip.js'), '--no-progress']],
  ['tests', [path.join(root, 'scripts/test.mjs')]],
];
// Run all checks even if one fails, so that one run shows everything. The tests come last, so that their summary is the
// last line.
const wrong = [];
for (const [name, args] of checks) {
  console.error(`penstock: checking ${name} …`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) wrong.push(name);
}
if (wrong.length > 0) {
  console.error(`penstock: these checks failed: ${wrong.join(', ')}`);
  process.exitCode = 1;
}
