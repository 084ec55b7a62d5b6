// `npm run test:openstack`: the tests against a real OpenStack, which is brought up for them and taken down after them;
// one that is up already (test/openstack/up) is used, and stays. Arguments go to vitest. Where there can be none, the
// tests are skipped, and say why.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const at = (name) => path.join(root, 'test/openstack', name);

/** Why OpenStack cannot be here, or null. */
function obstacle() {
  if (process.getuid?.() !== 0) return 'only root can give it a network of its own';
  if (spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'true']).status !== 0)
    return 'this machine lets nobody make namespaces';
  // In CI what is missing is installed; not on somebody's own machine, unasked.
  const { status, stdout } = spawnSync(at('lib/packages'), ['--missing'], { encoding: 'utf8' });
  if (status !== 0) return 'it is made for Debian 12';
  if (stdout.trim() !== '' && !process.env.CI)
    return `packages are missing, which \`CI=true npm run test:openstack\` installs: ${stdout.trim()}`;
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
  // One of our own is nobody else's: several runs can be at once.
  const folder = found ? undefined : mkdtempSync(path.join(os.tmpdir(), 'penstock-openstack-'));
  const state = folder === undefined ? standing : path.join(folder, 'state');
  let up = 0;
  if (folder !== undefined) {
    const lifeline = path.join(folder, 'lifeline');
    spawnSync('mkfifo', [lifeline]);
    // Held open until we end, however that comes to be: then it is taken down by itself.
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
    else console.error(`penstock: what OpenStack has written about it is in ${state}/log`);
  }
}
