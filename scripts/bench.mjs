// `npm run bench`: prepares a fresh clone, then runs the benchmark from its TypeScript sources.
// Passes options on: `npm run bench -- --quick --only list`.
import { spawnSync } from 'node:child_process';
import { prepare, root } from './prepare.mjs';

await prepare();
// tsx as a loader rather than through npx: one process fewer between Ctrl-C and the benchmark.
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', 'bench/main.ts', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exitCode = status ?? 1;
