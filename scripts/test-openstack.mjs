// `npm run test:openstack`: runs the tests against a real OpenStack, and brings it up before and takes it down after them.
// If one is already up (test/openstack/up), it is used and left running. Passes arguments on to vitest. If OpenStack cannot
// run here, the tests are skipped and say why.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const at = (name) => path.join(root, 'test/openstack', name);

/** Why OpenStack cannot run here, or null. */
function obstacle() {
  if (process.getuid?.() !== 0) return 'only root can give it a network of its own';
  if (spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'true']).status !== 0)
    return 'this machine does not allow namespaces';
  // CI installs missing packages. Do not do that unasked on somebody's own machine.
  const { status, stdout } = spawnSync(at('lib/packages'), ['--missing'], { encoding: 'utf8' });
  if (status !== 0) return 'it needs Debian 12';
  if (stdout.trim() !== '' && !process.env.CI)
    return `packages are missing: ${stdout.trim()}. \`CI=true npm run test:openstack\` installs them`;
  return null;
}

function run(command, args, environment) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  return status ?? 1;
}

const tests = [
  path.join(root, 'scripts/test.mjs'),
  '--config',
  'vitest.openstack.config.ts',
  ...process.argv.slice(2),
];
const why = obstacle();
if (why !== null) {
  process.exitCode = run(process.execPath, tests, { PENSTOCK_NO_OPENSTACK: why });
} else {
  const standing = process.env.STATE ?? '/tmp/penstock-openstack';
  const found = spawnSync(at('up'), ['--status'], { env: { ...process.env, STATE: standing } }).status === 0;
  // Each run has its own OpenStack, so that several can run at once.
  const folder = found ? undefined : mkdtempSync(path.join(os.tmpdir(), 'penstock-openstack-'));
  const state = folder === undefined ? standing : path.join(folder, 'state');
  let up = 0;
  if (folder !== undefined) {
    const lifeline = path.join(folder, 'lifeline');
    spawnSync('mkfifo', [lifeline]);
    // Keep this open: however this process ends, OpenStack then shuts itself down.
    openSync(lifeline, 'r+');
    up = run(at('up'), [], { STATE: state, LIFELINE: lifeline });
  }
  if (up !== 0) {
    console.log('0 passed, 1 failed, 0 skipped');
    process.exitCode = 1;
  } else {
    const file = path.join(state, 'openstack.json');
    const { pid } = JSON.parse(readFileSync(file, 'utf8'));
    process.exitCode = run('nsenter', ['--target', String(pid), '--net', '--', process.execPath, ...tests], {
      PENSTOCK_OPENSTACK: file,
    });
  }
  if (folder !== undefined) {
    run(at('down'), [], { STATE: state });
    if (process.exitCode === 0) rmSync(folder, { recursive: true });
    else console.error(`penstock: the logs of OpenStack are in ${state}/log`);
  }
}
