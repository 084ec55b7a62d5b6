// `npm run check`: everything that has to be right before a change is taken: style, types, nothing unused, tests.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const bin = (...parts) => path.join(root, 'node_modules', ...parts);
const checks = [
  ['style', [bin('@biomejs/biome/bin/biome'), 'check', '.']],
  ['types', [bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.json']],
  ['what is unused', [bin('knip/bin/knip.js'), '--no-progress']],
  ['tests', [path.join(root, 'scripts/test.mjs')]],
];
// All of them, also when the first is wrong: one run tells everything. The tests come last, and with them their
// closing line.
const wrong = [];
for (const [name, args] of checks) {
  console.error(`penstock: checking ${name} …`);
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) wrong.push(name);
}
if (wrong.length > 0) {
  console.error(`penstock: not right: ${wrong.join(', ')}`);
  process.exitCode = 1;
}
