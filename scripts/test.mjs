// `npm test`: prepares a fresh clone and runs every test. Its last lines say what was skipped, what took longest, what passed
// only on a retry (in CI), what failed, and `N passed, N failed, N skipped`. Passes arguments on to vitest:
// `npm test -- test/domain`. `npm test -- --changed` runs the tests that changes since the last commit may affect, and
// `--changed main` those since that commit.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { changedTests } from './changed-tests.mjs';
import { prepare, root } from './prepare.mjs';

await prepare();
let words = process.argv.slice(2);
if (words[0] === '--changed') {
  const tests = changedTests(words[1] ?? 'HEAD');
  const many = tests === null ? 'all tests' : `${tests.length} test files`;
  console.error(`penstock: the changes may affect ${many}`);
  words = tests ?? [];
}
const folder = mkdtempSync(path.join(os.tmpdir(), 'penstock-summary-'));
const file = path.join(folder, 'summary.json');
const { status, signal } = spawnSync(
  process.execPath,
  [
    path.join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=./test/support/summary.ts',
    ...words,
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, PENSTOCK_TEST_SUMMARY: file } },
);
let summary;
try {
  summary = JSON.parse(readFileSync(file, 'utf8'));
} catch {
  console.error(`penstock: the tests did not finish (${signal ?? `exit code ${status}`})`);
}
rmSync(folder, { recursive: true, force: true });
if (summary === undefined) process.exitCode = status || 1;
else {
  const { passed, failed, skipped, unsteady, longest } = summary;
  // Vitest can fail without a failing test, for example if it finds none.
  process.exitCode = status || (failed.length > 0 ? 1 : 0);
  console.log(`took longest: ${longest.map(({ file, seconds }) => `${file} ${seconds} s`).join(', ')}`);
  for (const [what, tests] of Object.entries({ unsteady, failed }))
    for (const { name, file, why } of tests) console.log(`${what}: ${name} (${file}): ${why}`);
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`);
}
