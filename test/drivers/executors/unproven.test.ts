import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Executor } from '../../../src/drivers/executors/executor.js';
import { localExecutor } from '../../../src/drivers/executors/local.js';
import { openControlGroups } from '../../../src/drivers/processes/cgroups/cgroup.js';
import { findReaper } from '../../../src/drivers/processes/reaper.js';
import { RunnerPool } from '../../../src/drivers/processes/runner-pool.js';
import { alive, linesOf, naming, program } from '../../support/programs.js';
import { waitFor } from '../../support/wait-for.js';

const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };

let root: string;
/** A PATH without any interpreter that could ask the kernel for orphans. */
let bare: string;
beforeAll(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'penstock-unproven-'));
  bare = path.join(root, 'bin');
  mkdirSync(bare);
  for (const name of readdirSync('/usr/bin'))
    if (!/^(perl|python)/.test(name)) symlinkSync(path.join('/usr/bin', name), path.join(bare, name));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let executor: Executor;
let count = 0;
const open = (environment: Record<string, string>) => {
  const instance = randomBytes(8).toString('hex');
  const groups = openControlGroups(instance, path.join('/', 'no', 'control', 'groups'));
  executor = localExecutor({ instance, pool: new RunnerPool(2, environment), groups });
};
beforeEach(() => {
  count += 1;
});
afterEach(() => executor.close());

function start(exec: string, argv: string[]) {
  const folder = path.join(root, String(count));
  const cwd = path.join(folder, 'work');
  mkdirSync(cwd, { recursive: true });
  const uuid = `4070000${count}-0000-5000-8000-${String(process.pid).padStart(12, '0')}`;
  const streams = { stdout: path.join(folder, 'stdout'), stderr: path.join(folder, 'stderr') };
  return executor.start(
    { uuid, exec, argv, environment: { PATH: '/usr/bin:/bin' }, cwd, user: null, killGrace: 1, limits: none },
    { folder, stdin: null, companions: [], ...streams },
  );
}

test('where nothing holds the processes of a job together, the receipt says what may be left, and why', async () => {
  expect(findReaper({ PATH: bare })).toBeNull();
  open({ PATH: bare });
  const log = path.join(root, 'daemon');
  const handle = await start(program('sheds-environment'), [log]);
  const daemon = Number(await waitFor(() => linesOf(log)[0], 'the daemon'));
  const receipt = await executor.cancel(handle, 1);
  expect(receipt).toMatchObject({ survivors: [], unproven: expect.stringMatching(/perl or python3/) });
  expect(receipt.signalled.length).toBeGreaterThan(0);
  expect(await executor.wait(handle)).not.toMatchObject({ cause: 'exit', exit_code: 0 });
  // It is as the receipt says: were it found after all, there would be nothing to say.
  expect(alive(daemon)).toBeDefined();
  process.kill(daemon, 'SIGKILL');
});

test('a program that kills its runner is told of, too', async () => {
  open({ PATH: '/usr/bin:/bin' });
  const log = path.join(root, 'orphan');
  const script = 'kill -9 $PPID; echo $$ >>"$1"; exec sleep 100000';
  const handle = await start('/bin/sh', ['-c', script, 'sh', log]);
  const pid = Number(await waitFor(() => linesOf(log)[0], 'the program'));
  const receipt = await executor.cancel(handle, 1);
  expect(receipt).toMatchObject({
    survivors: [],
    unproven: expect.stringMatching(/supervised the program is gone/),
  });
  await waitFor(() => alive(pid) === undefined, 'the end of the program');
  expect(await executor.wait(handle)).toMatchObject({ cause: 'lost' });
});

test('of the client of a daemon it is said that what the daemon does goes on', async () => {
  open({ PATH: '/usr/bin:/bin' });
  const client = path.join(root, 'docker');
  copyFileSync('/bin/sleep', client);
  const log = path.join(root, 'client');
  const handle = await start('/bin/sh', ['-c', 'echo up >>"$1"; "$2" 1000; exit 0', 'sh', log, client]);
  await waitFor(() => naming(client).some(({ name }) => name === 'docker'), 'the client');
  const receipt = await waitFor(async () => {
    const given = await executor.cancel(handle, 1);
    return given.signalled.length > 0 ? given : null;
  }, 'a receipt');
  expect(receipt.signalled.map(({ name }) => name)).toContain('docker');
  expect(receipt.unproven).toBe('docker may have handed work to a daemon. Penstock cannot end that work.');
  await executor.wait(handle);
});
